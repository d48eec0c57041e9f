import { connect, type Socket } from "node:net";
import {
  connectionStart,
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameSplitter,
  frameFlags,
  framePayloadMax,
  frameTypes,
  type GrpcHeaders,
  grpcHeaders,
  settingIds,
  windowInitial,
  windowUpdate,
} from "./http2-frames.ts";

/** After so many bytes the connection's window is opened again. */
const reopenBytes = 1 << 26;

interface Call {
  readonly id: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** What of its message has not been sent. */
  unsent: Buffer;
  /** How much of it the server takes. */
  window: number;
  hasMessage: boolean;
}

/**
 * GrpcCalls makes unary gRPC calls of one method on one connection of HTTP/2, with no more work than that needs, as the processor is shared with the server
 * that is measured: what is sent in one turn of the event loop is one write, headers are sent by their places in the table of headers, and those of
 * answers are not read. An answer with a message is a success; one without is a failure, which is not told further.
 */
export class GrpcCalls {
  readonly #socket: Socket;
  readonly #headers: GrpcHeaders;
  readonly #calls = new Map<number, Call>();
  readonly #splitter = new FrameSplitter();
  /** Calls whose message waits for a window to open, in their order. */
  readonly #stalled = new Set<Call>();
  #unwritten: Buffer[] = [];
  #nextId = 1;
  #streamWindow = windowInitial;
  #window = windowInitial;
  #unacknowledged = 0;
  #end: Error | undefined;

  private constructor(socket: Socket, headers: GrpcHeaders) {
    this.#socket = socket;
    this.#headers = headers;
    socket.on("data", (chunk: Buffer) => this.#splitter.push(chunk, (frame) => this.#onFrame(frame)));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
    socket.write(connectionStart());
  }

  /** Connects for calls of a method, such as `/millpond.v1.TaskService/GetTask`. */
  static async open(url: string, path: string): Promise<GrpcCalls> {
    const { hostname, port, host } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new GrpcCalls(socket, grpcHeaders(path, host));
  }

  /** Calls with a message, and resolves when the call has succeeded. */
  call(message: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end);
      const id = this.#nextId;
      this.#nextId += 2;
      const unsent = encodeMessage(message);
      const call: Call = { id, resolve, reject, unsent, window: this.#streamWindow, hasMessage: false };
      this.#calls.set(id, call);
      const head = id === 1 ? this.#headers.first : this.#headers.next;
      this.#write(encodeFrame(frameTypes.headers, frameFlags.endHeaders, id, head));
      this.#send(call);
    });
  }

  /** Ends the connection. */
  close(): void {
    this.#socket.destroy();
  }

  /** Sends as much of a call's message as the windows allow. */
  #send(call: Call): void {
    for (;;) {
      const bytes = Math.min(call.unsent.length, framePayloadMax, call.window, this.#window);
      const isLast = bytes === call.unsent.length;
      if (bytes <= 0 && !isLast) break;
      call.window -= bytes;
      this.#window -= bytes;
      const flags = isLast ? frameFlags.endStream : 0;
      this.#write(encodeFrame(frameTypes.data, flags, call.id, call.unsent.subarray(0, bytes)));
      call.unsent = call.unsent.subarray(bytes);
      if (isLast) break;
    }
    if (call.unsent.length > 0) this.#stalled.add(call);
    else this.#stalled.delete(call);
  }

  #write(bytes: Buffer): void {
    if (this.#unwritten.push(bytes) > 1) return;
    setImmediate(() => {
      this.#socket.write(Buffer.concat(this.#unwritten));
      this.#unwritten = [];
    });
  }

  #onFrame({ type, flags, stream, payload }: Frame): void {
    const call = this.#calls.get(stream);
    if (type === frameTypes.data) {
      this.#unacknowledged += payload.length;
      if (this.#unacknowledged >= reopenBytes) {
        this.#write(windowUpdate(this.#unacknowledged));
        this.#unacknowledged = 0;
      }
      if (call !== undefined && payload.length > 0) call.hasMessage = true;
    } else if (type === frameTypes.windowUpdate) {
      if (stream === 0 || call !== undefined) this.#open(payload.readUInt32BE(0), call);
    } else if (type === frameTypes.settings && (flags & frameFlags.ack) === 0) this.#agree(payload);
    else if (type === frameTypes.ping && (flags & frameFlags.ack) === 0)
      this.#write(encodeFrame(frameTypes.ping, frameFlags.ack, 0, payload));
    else if (type === frameTypes.goAway) this.#fail(new Error("the server turned the connection away"));
    else if (type === frameTypes.reset) this.#finish(call, new Error("the server cut the call"));
    if ((type === frameTypes.data || type === frameTypes.headers) && (flags & frameFlags.endStream) !== 0)
      this.#finish(call, call?.hasMessage ? undefined : new Error("the call was answered without a message"));
  }

  /** Opens the window of a call, or that of the connection. */
  #open(bytes: number, call: Call | undefined): void {
    if (call === undefined) this.#window += bytes;
    else call.window += bytes;
    for (const stalled of this.#stalled) this.#send(stalled);
  }

  /** Takes the server's settings. */
  #agree(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== settingIds.initialWindowSize) continue;
      const window = payload.readUInt32BE(at + 2);
      for (const call of this.#calls.values()) call.window += window - this.#streamWindow;
      this.#streamWindow = window;
    }
    this.#write(encodeFrame(frameTypes.settings, frameFlags.ack, 0, Buffer.alloc(0)));
    for (const stalled of this.#stalled) this.#send(stalled);
  }

  #finish(call: Call | undefined, error?: Error): void {
    if (call === undefined) return;
    this.#calls.delete(call.id);
    this.#stalled.delete(call);
    if (error === undefined) call.resolve();
    else call.reject(error);
  }

  #fail(error: Error): void {
    this.#end ??= error;
    for (const call of [...this.#calls.values()]) this.#finish(call, this.#end);
  }
}
