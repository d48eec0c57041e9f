import { connect, type Socket } from "node:net";
import {
  connectionStart,
  encodeFrame,
  encodeMessage,
  FrameSplitter,
  frameFlags,
  frameTypes,
  grpcHeaders,
  settingIds,
  takeMessages,
  windowUpdate,
} from "./http2-frames.ts";

/** GrpcStreamsInit is what to open: the same call on many streams of one connection. */
export interface GrpcStreamsInit {
  readonly url: string;
  /** Such as `/millpond.v1.EventService/WatchEvents`. */
  readonly path: string;
  /** The request message. */
  readonly request: Buffer;
  readonly streams: number;
  /** How many of them may wait for their first message. */
  readonly openingMax: number;
  /** Told of each whole message; the bytes are the reader's until it returns. */
  readonly onMessage: (stream: number, message: Buffer) => void;
  /** Told when the server ends a stream, or the connection. */
  readonly onEnd: (why: string) => void;
}

/** After so many bytes the connection's window is opened again. */
const reopenBytes = 1 << 28;

interface Receiving {
  /** What has come of a message that is not whole. */
  held: Buffer;
  hasBegun: boolean;
}

/**
 * openGrpcStreams opens many server-streaming calls on one connection of HTTP/2 and takes their messages apart. It does what that needs and no more: the windows
 * are as wide as they can be, and headers and trailers are not read. So a load of ten thousand streams costs a fraction of what it costs the server.
 */
export function openGrpcStreams(init: GrpcStreamsInit): Promise<Socket> {
  const { hostname, port, host } = new URL(init.url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const streams = new Map<number, Receiving>();
  const splitter = new FrameSplitter();
  let unacknowledged = 0;
  const opened = Promise.withResolvers<Socket>();
  const end = (why: string) => {
    opened.reject(new Error(why));
    init.onEnd(why);
  };
  socket.on("error", (error) => end(String(error)));
  socket.on("close", () => end("the connection was closed"));
  socket.write(connectionStart({ [settingIds.headerTableSize]: 0 }));

  const { first, next } = grpcHeaders(init.path, host);
  const body = encodeMessage(init.request);
  const open = (count: number) => {
    const frames: Buffer[] = [];
    for (let n = 0; n < count && streams.size < init.streams; n++) {
      const id = 2 * streams.size + 1;
      const head = streams.size === 0 ? first : next;
      streams.set(id, { held: Buffer.alloc(0), hasBegun: false });
      frames.push(
        encodeFrame(frameTypes.headers, frameFlags.endHeaders, id, head),
        encodeFrame(frameTypes.data, frameFlags.endStream, id, body),
      );
    }
    if (frames.length > 0) socket.write(Buffer.concat(frames));
  };

  const onFrame = (type: number, flags: number, id: number, payload: Buffer) => {
    if (type === frameTypes.data) {
      unacknowledged += payload.length;
      const receiving = streams.get(id);
      if (receiving === undefined) return;
      receive(receiving, payload, (bytes) => init.onMessage(id, bytes));
      if (!receiving.hasBegun) open(1);
      receiving.hasBegun = true;
    } else if (type === frameTypes.settings && (flags & frameFlags.ack) === 0) {
      socket.write(encodeFrame(frameTypes.settings, frameFlags.ack, 0, Buffer.alloc(0)));
      if (streams.size > 0) return;
      open(init.openingMax);
      opened.resolve(socket);
    } else if (type === frameTypes.ping && (flags & frameFlags.ack) === 0) {
      socket.write(encodeFrame(frameTypes.ping, frameFlags.ack, 0, payload));
    } else if (type === frameTypes.reset || type === frameTypes.goAway) end(`the server sent frame ${type}`);
    if ((type === frameTypes.data || type === frameTypes.headers) && (flags & frameFlags.endStream) !== 0)
      end(`the server ended stream ${id}`);
    if (unacknowledged < reopenBytes) return;
    socket.write(windowUpdate(unacknowledged));
    unacknowledged = 0;
  };

  socket.on("data", (chunk: Buffer) =>
    splitter.push(chunk, ({ type, flags, stream, payload }) => onFrame(type, flags, stream, payload)),
  );
  return opened.promise;
}

/** Takes messages of gRPC from what a stream receives. */
function receive(receiving: Receiving, payload: Buffer, onMessage: (message: Buffer) => void): void {
  const bytes = receiving.held.length === 0 ? payload : Buffer.concat([receiving.held, payload]);
  const rest = takeMessages(bytes, onMessage);
  receiving.held = rest.length === 0 ? Buffer.alloc(0) : Buffer.from(rest);
}
