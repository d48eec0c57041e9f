// Frames of HTTP/2 (RFC 9113) as far as a load generator needs them.

/** The types of frames that are told apart. */
export const frameTypes = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;

/** Flags of frames. `endStream` and `ack` are of different types of frames. */
export const frameFlags = { ack: 1, endStream: 1, endHeaders: 4 } as const;

/** The settings that are sent or read, by their numbers. */
export const settingIds = { headerTableSize: 1, initialWindowSize: 4 } as const;

/** What a window may be at most, in bytes. */
export const windowMax = 0x7fffffff;

/** What a window is before anybody has changed it, in bytes. */
export const windowInitial = 65_535;

/** How large the payload of a frame may be where nothing else has been agreed on, in bytes. */
export const framePayloadMax = 16_384;

const frameHeaderBytes = 9;
const messagePrefixBytes = 5;

/** Frame is a frame that has come whole; its payload is the reader's until it returns. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** encodeFrame is a frame as it is sent. */
export function encodeFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, frameHeaderBytes);
  return bytes;
}

/** connectionStart is what a client sends first: streams whose window never closes, and one for the connection that is as wide. */
export function connectionStart(settings: Readonly<Record<number, number>> = {}): Buffer {
  const pairs = Object.entries({ ...settings, [settingIds.initialWindowSize]: windowMax });
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [n, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(Number(id), 6 * n);
    payload.writeUInt32BE(value, 6 * n + 2);
  }
  return Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    encodeFrame(frameTypes.settings, 0, 0, payload),
    windowUpdate(windowMax - windowInitial),
  ]);
}

/** windowUpdate opens the window of a connection by so many bytes. */
export function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return encodeFrame(frameTypes.windowUpdate, 0, 0, payload);
}

/** encodeMessage is a message of gRPC as the data of a stream. */
export function encodeMessage(bytes: Buffer): Buffer {
  const prefix = Buffer.alloc(messagePrefixBytes);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** takeMessages takes messages of gRPC from the data of a stream, and answers what has come of one that is not whole. */
export function takeMessages(bytes: Buffer, onMessage: (message: Buffer) => void): Buffer {
  let at = 0;
  while (bytes.length - at >= messagePrefixBytes) {
    const end = at + messagePrefixBytes + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    onMessage(bytes.subarray(at + messagePrefixBytes, end));
    at = end;
  }
  return bytes.subarray(at);
}

/** GrpcHeaders are the headers of a call in HPACK (RFC 7541): of the first call of a connection, and of those after it. */
export interface GrpcHeaders {
  readonly first: Buffer;
  /** By the places in the table of headers at which the first call has put them. */
  readonly next: Buffer;
}

/** grpcHeaders are the headers of calls of one method. Path and host of up to 126 bytes. */
export function grpcHeaders(path: string, host: string): GrpcHeaders {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  // Of the static table: a whole field, or (0x40 and more) a name whose value follows and is put into the table.
  const [post, http, pathName, hostName, contentType, ownName] = [0x83, 0x86, 0x44, 0x41, 0x5f, 0x40];
  const first = Buffer.concat([
    ...[Buffer.from([post, http, pathName]), text(path), Buffer.from([hostName]), text(host)],
    ...[Buffer.from([contentType]), text("application/grpc"), Buffer.from([ownName]), text("te"), text("trailers")],
  ]);
  // The table counts from 62, the newest first.
  return { first, next: Buffer.from([post, http, ...[65, 64, 63, 62].map((place) => 0x80 | place)]) };
}

/** FrameSplitter finds the frames in what a connection receives. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** Takes what has come, and calls with each frame that is whole now. */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= frameHeaderBytes) {
      const end = at + frameHeaderBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      onFrame({
        type: bytes[at + 3] as number,
        flags: bytes[at + 4] as number,
        stream: bytes.readUInt32BE(at + 5) & windowMax,
        payload: bytes.subarray(at + frameHeaderBytes, end),
      });
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}
