import { connect, type Socket } from "node:net";

/** GrpcStreamsInit is what to open: the same call on many streams of one connection, with headers that need no compression. */
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

const frameTypes = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const flags = { ack: 1, endStream: 1, endHeaders: 4 } as const;
const frameHeaderBytes = 9;
const messagePrefixBytes = 5;
const windowMax = 0x7fffffff;
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
  let unacknowledged = 0;
  let rest: Buffer = Buffer.alloc(0);
  const opened = Promise.withResolvers<Socket>();
  const end = (why: string) => {
    opened.reject(new Error(why));
    init.onEnd(why);
  };
  socket.on("error", (error) => end(String(error)));
  socket.on("close", () => end("the connection was closed"));
  socket.write(
    Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings(), windowUpdate(windowMax - 65_535)]),
  );

  const head = requestHeaders(init.path, host);
  const body = message(init.request);
  const open = (count: number) => {
    const frames: Buffer[] = [];
    for (let n = 0; n < count && streams.size < init.streams; n++) {
      const id = 2 * streams.size + 1;
      streams.set(id, { held: Buffer.alloc(0), hasBegun: false });
      frames.push(
        frame(frameTypes.headers, flags.endHeaders, id, head),
        frame(frameTypes.data, flags.endStream, id, body),
      );
    }
    if (frames.length > 0) socket.write(Buffer.concat(frames));
  };

  const onFrame = (type: number, flag: number, id: number, payload: Buffer) => {
    if (type === frameTypes.data) {
      unacknowledged += payload.length;
      const receiving = streams.get(id);
      if (receiving === undefined) return;
      receive(receiving, payload, (bytes) => init.onMessage(id, bytes));
      if (!receiving.hasBegun) open(1);
      receiving.hasBegun = true;
    } else if (type === frameTypes.settings && (flag & flags.ack) === 0) {
      socket.write(frame(frameTypes.settings, flags.ack, 0, Buffer.alloc(0)));
      if (streams.size > 0) return;
      open(init.openingMax);
      opened.resolve(socket);
    } else if (type === frameTypes.ping && (flag & flags.ack) === 0) {
      socket.write(frame(frameTypes.ping, flags.ack, 0, payload));
    } else if (type === frameTypes.reset || type === frameTypes.goAway) end(`the server sent frame ${type}`);
    if ((type === frameTypes.data || type === frameTypes.headers) && (flag & flags.endStream) !== 0)
      end(`the server ended stream ${id}`);
    if (unacknowledged < reopenBytes) return;
    socket.write(windowUpdate(unacknowledged));
    unacknowledged = 0;
  };

  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= frameHeaderBytes) {
      const length = bytes.readUIntBE(at, 3);
      if (bytes.length - at < frameHeaderBytes + length) break;
      const payload = bytes.subarray(at + frameHeaderBytes, at + frameHeaderBytes + length);
      onFrame(bytes[at + 3] as number, bytes[at + 4] as number, bytes.readUInt32BE(at + 5) & windowMax, payload);
      at += frameHeaderBytes + length;
    }
    rest = bytes.subarray(at);
  });
  return opened.promise;
}

/** Takes messages of gRPC from what a stream receives. */
function receive(receiving: Receiving, payload: Buffer, onMessage: (message: Buffer) => void): void {
  const bytes = receiving.held.length === 0 ? payload : Buffer.concat([receiving.held, payload]);
  let at = 0;
  while (bytes.length - at >= messagePrefixBytes) {
    const end = at + messagePrefixBytes + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    onMessage(bytes.subarray(at + messagePrefixBytes, end));
    at = end;
  }
  receiving.held = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
}

function message(bytes: Buffer): Buffer {
  const prefix = Buffer.alloc(messagePrefixBytes);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

function frame(type: number, flag: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(frameHeaderBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flag;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** No table of headers, and streams whose window never closes. */
function settings(): Buffer {
  const pairs = Buffer.alloc(12);
  pairs.writeUInt16BE(1, 0);
  pairs.writeUInt16BE(4, 6);
  pairs.writeUInt32BE(windowMax, 8);
  return frame(frameTypes.settings, 0, 0, pairs);
}

function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(frameTypes.windowUpdate, 0, 0, payload);
}

/** HPACK: indexed fields of the static table, and literals that are not indexed. */
function requestHeaders(path: string, authority: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const [methodPost, schemeHttp, pathName, authorityName, contentType] = [0x83, 0x86, 0x04, 0x01, [0x0f, 0x10]];
  return Buffer.concat([
    ...[Buffer.from([methodPost, schemeHttp, pathName]), text(path), Buffer.from([authorityName]), text(authority)],
    ...[Buffer.from(contentType), text("application/grpc"), Buffer.from([0]), text("te"), text("trailers")],
  ]);
}
