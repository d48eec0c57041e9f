import type { DescMessage } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import { parseContentType as parseConnectType } from "@connectrpc/connect/protocol-connect";
import { parseContentType as parseGrpcType } from "@connectrpc/connect/protocol-grpc";
import { parseContentType as parseGrpcWebType } from "@connectrpc/connect/protocol-grpc-web";
import { guardedBytesMin, type MessageGuard } from "./message-guard.ts";

/** What {@link guardBody} works with. */
export interface GuardBodyOptions {
  readonly guard: MessageGuard;
  readonly compressions: readonly Compression[];
  /** The largest message that is taken: nothing is kept of a larger one, which the RPC library refuses. */
  readonly maxMessageBytes: number;
}

/** How the messages of a body stand in it. */
interface BodyForm {
  readonly input: DescMessage;
  readonly isBinary: boolean;
  /** Each has a prefix of flags and a length; otherwise the body is one message. */
  readonly isEnveloped: boolean;
  /** How those are compressed that say so; of a body of one message, that one. */
  readonly compression: Compression | undefined;
}

const prefixBytes = 5;
const compressedFlag = 1;

/**
 * Shows the large messages of a body to the guard before the RPC library decodes them: such a message is held back until it is complete. Everything else passes as it comes. Messages
 * in envelopes that had to be decompressed for that are passed on so. What is wrong with a body, the library finds.
 */
export function guardBody(
  body: AsyncIterable<Uint8Array>,
  request: { readonly input: DescMessage; readonly header: Headers },
  options: GuardBodyOptions,
): AsyncIterable<Uint8Array> {
  const form = formOf(request, options);
  if (form === undefined) return body;
  return form.isEnveloped ? guardEnvelopes(body, form, options) : guardWhole(body, form, options);
}

/** Undefined: it is of no kind that the library takes. */
function formOf(
  { input, header }: { readonly input: DescMessage; readonly header: Headers },
  { compressions }: GuardBodyOptions,
): BodyForm | undefined {
  const type = header.get("content-type");
  const form = (isBinary: boolean, isEnveloped: boolean, encodingHeader: string): BodyForm => ({
    ...{ input, isBinary, isEnveloped },
    compression: compressions.find(({ name }) => name === header.get(encodingHeader)),
  });
  const connect = parseConnectType(type);
  if (connect !== undefined) {
    return form(connect.binary, connect.stream, connect.stream ? "connect-content-encoding" : "content-encoding");
  }
  const grpc = parseGrpcType(type) ?? parseGrpcWebType(type);
  return grpc === undefined ? undefined : form(grpc.binary, true, "grpc-encoding");
}

async function* guardWhole(
  body: AsyncIterable<Uint8Array>,
  { input, isBinary, compression }: BodyForm,
  { guard, maxMessageBytes }: GuardBodyOptions,
): AsyncGenerator<Uint8Array> {
  const held: Uint8Array[] = [];
  let size = 0;
  for await (const bytes of body) {
    size += bytes.byteLength;
    held.push(bytes);
    if (size > maxMessageBytes) yield* held.splice(0);
  }
  if (size <= maxMessageBytes && (size > guardedBytesMin || compression !== undefined)) {
    const whole = held.length === 1 ? (held[0] as Uint8Array) : Buffer.concat(held.splice(0));
    const plain = compression === undefined ? whole : await decompressed(whole, compression, maxMessageBytes);
    if (plain !== undefined) guard(input, plain, isBinary);
    yield whole;
  } else yield* held;
}

/** Decompresses a message; undefined: it is too large, or not compressed so, which the RPC library says. */
export async function decompressed(
  bytes: Uint8Array,
  compression: Compression,
  maxMessageBytes: number,
): Promise<Uint8Array | undefined> {
  try {
    return await compression.decompress(bytes as Uint8Array<ArrayBuffer>, maxMessageBytes);
  } catch {
    return undefined;
  }
}

async function* guardEnvelopes(
  body: AsyncIterable<Uint8Array>,
  form: BodyForm,
  options: GuardBodyOptions,
): AsyncGenerator<Uint8Array> {
  /** What is held back: the beginning of a prefix, or of an envelope. */
  const held: Buffer[] = [];
  let size = 0;
  let wanted = 0;
  /** How much of an envelope that needs no look is still to come. */
  let passing = 0;
  let isTooLarge = false;
  for await (const bytes of body) {
    let chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (isTooLarge) {
      yield chunk;
      continue;
    }
    if (size > 0) {
      held.push(chunk);
      size += chunk.length;
      if (size < wanted) continue;
      chunk = Buffer.concat(held.splice(0));
      size = 0;
    }
    while (chunk.length > 0 && !isTooLarge) {
      const { passed, envelope, next } = divide(chunk, passing, form, options);
      ({ passing, isTooLarge } = next);
      if (passed > 0) yield chunk.subarray(0, passed);
      if (envelope > 0 && passed + envelope <= chunk.length) {
        yield* guarded(chunk.subarray(passed, passed + envelope), form, options);
        chunk = chunk.subarray(passed + envelope);
        continue;
      }
      chunk = chunk.subarray(passed);
      if (chunk.length === 0) break;
      held.push(chunk);
      size = chunk.length;
      wanted = envelope || prefixBytes;
      break;
    }
  }
  yield* held;
}

interface Division {
  /** How many bytes may pass at once. */
  readonly passed: number;
  /** The length of the envelope behind them that has to be looked at; 0: it is not known, or there is none. */
  readonly envelope: number;
  readonly next: {
    /** How much is to pass of what has not come. */
    readonly passing: number;
    /** A message is too large: the library refuses it, and reads no further. */
    readonly isTooLarge: boolean;
  };
}

/** Finds what of a piece of a body may pass. */
function divide(
  chunk: Buffer,
  passing: number,
  { compression }: BodyForm,
  { maxMessageBytes }: GuardBodyOptions,
): Division {
  let at = passing;
  while (at + prefixBytes <= chunk.length) {
    const length = chunk.readUInt32BE(at + 1);
    if (length > maxMessageBytes) {
      return { passed: chunk.length, envelope: 0, next: { passing: 0, isTooLarge: true } };
    }
    const isCompressed = compression !== undefined && ((chunk[at] as number) & compressedFlag) !== 0;
    if (length > guardedBytesMin || isCompressed) {
      return { passed: at, envelope: prefixBytes + length, next: { passing: 0, isTooLarge: false } };
    }
    at += prefixBytes + length;
  }
  const passed = Math.min(at, chunk.length);
  return { passed, envelope: 0, next: { passing: at - passed, isTooLarge: false } };
}

/** An envelope that has been looked at. */
async function* guarded(
  envelope: Buffer,
  { input, isBinary, compression }: BodyForm,
  { guard, maxMessageBytes }: GuardBodyOptions,
): AsyncGenerator<Uint8Array> {
  const [flags = 0] = envelope;
  const message = envelope.subarray(prefixBytes);
  if (compression === undefined || (flags & compressedFlag) === 0) {
    guard(input, message, isBinary);
    yield envelope;
    return;
  }
  const plain = await decompressed(message, compression, maxMessageBytes);
  if (plain === undefined) {
    yield envelope;
    return;
  }
  guard(input, plain, isBinary);
  const prefix = Buffer.from([flags ^ compressedFlag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(plain.byteLength, 1);
  yield prefix;
  yield plain;
}
