/** Bytes before each message of a stream, in gRPC and in Connect: flags, and a length. */
const prefixBytes = 5;
const itemsPerSlice = 25;
const bytesPerSlice = 16 * 1024;
/** A message with more items is refused by the contract: it is left whole, for its validation to see. */
const itemsMax = 10_000;
const lengthDelimited = 2;

/** What {@link sliceParts} works with. */
export interface SliceOptions {
  /** The number of the list by which messages are cut. */
  readonly field: number;
  /** The largest message that is taken: nothing is kept of a larger one, which is refused further on. */
  readonly maxMessageBytes: number;
  /** Told the numbers, from 0, of the messages that are slices: of the first of a message with the items of all of it, of the others with 0. */
  readonly cut: Map<number, number>;
}

/**
 * Cuts the messages of a stream of Protobuf into ones with few items of a list. An upload's message has thousands of tasks; decoded at once, they outlive several
 * collections of young objects, and V8, which sees that, puts all that are decoded later where only a full collection frees them: the heap grows by
 * the whole upload, though nothing of it is kept. A hundred at a time die young.
 *
 * What is compressed, not well-formed, or in an order that no encoder writes stays as it is.
 */
export async function* sliceParts(
  body: AsyncIterable<Uint8Array>,
  { field, maxMessageBytes, cut }: SliceOptions,
): AsyncGenerator<Uint8Array> {
  let received: Buffer[] = [];
  let size = 0;
  let messages = 0;
  let isTooLarge = false;
  for await (const bytes of body) {
    if (isTooLarge) {
      yield bytes;
      continue;
    }
    received.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    size += bytes.byteLength;
    for (let frame = frameBytes(received, size); frame !== undefined && frame <= size; ) {
      const whole = received.length === 1 ? (received[0] as Buffer) : Buffer.concat(received);
      const { slices, items } = slicesOf(whole.subarray(0, frame), field);
      for (const [n, slice] of slices.entries()) {
        if (slices.length > 1) cut.set(messages, n === 0 ? items : 0);
        messages += 1;
        yield slice;
      }
      received = frame === size ? [] : [whole.subarray(frame)];
      size -= frame;
      frame = frameBytes(received, size);
    }
    const frame = frameBytes(received, size);
    if (frame === undefined || frame - prefixBytes <= maxMessageBytes) continue;
    isTooLarge = true;
    yield* received.splice(0);
    size = 0;
  }
  yield* received;
}

/** How long the frame is that begins here; undefined: its prefix has not come. */
function frameBytes(received: Buffer[], size: number): number | undefined {
  if (size < prefixBytes) return undefined;
  if ((received[0] as Buffer).length < prefixBytes) received.splice(0, received.length, Buffer.concat(received));
  return prefixBytes + (received[0] as Buffer).readUInt32BE(1);
}

function slicesOf(frame: Buffer, field: number): { slices: Buffer[]; items: number } {
  const message = frame.subarray(prefixBytes);
  const { cuts, items } = frame[0] === 0 ? cutsOf(message, field) : uncut;
  if (cuts.length === 0) return { slices: [frame], items };
  const ends = [...cuts, message.length];
  const slices = ends.map((end, n) => {
    const start = ends[n - 1] ?? 0;
    const slice = Buffer.allocUnsafe(prefixBytes + end - start);
    slice[0] = 0;
    slice.writeUInt32BE(end - start, 1);
    message.copy(slice, prefixBytes, start, end);
    return slice;
  });
  return { slices, items };
}

interface Cuts {
  readonly cuts: readonly number[];
  readonly items: number;
}

const uncut: Cuts = { cuts: [], items: 0 };

/** Where a message is to be cut: between items of its list, which come after everything else. */
function cutsOf(message: Buffer, field: number): Cuts {
  const cuts: number[] = [];
  const position = { at: 0 };
  let items = 0;
  let inSlice = 0;
  let sliceStart = 0;
  while (position.at < message.length) {
    const start = position.at;
    const tag = readVarint(message, position);
    const isItem = tag === field * 8 + lengthDelimited;
    if ((items > 0 && !isItem) || !skipValue(message, tag & 7, position)) return uncut;
    if (!isItem) continue;
    items += 1;
    if (inSlice === itemsPerSlice || (inSlice > 0 && position.at - sliceStart > bytesPerSlice)) {
      cuts.push(start);
      sliceStart = start;
      inSlice = 0;
    }
    inSlice += 1;
  }
  return position.at === message.length && items <= itemsMax ? { cuts, items } : uncut;
}

/** Moves behind a value; false: it is of a kind that is not read here. */
function skipValue(message: Buffer, wireType: number, position: { at: number }): boolean {
  if (wireType === 0) readVarint(message, position);
  else if (wireType === 1) position.at += 8;
  else if (wireType === 5) position.at += 4;
  else if (wireType === lengthDelimited) {
    const length = readVarint(message, position);
    position.at += length;
  } else return false;
  return true;
}

/** Reads a number; one that breaks off, or is too large for a length, leads beyond the end of every message. */
function readVarint(message: Buffer, position: { at: number }): number {
  let value = 0;
  for (let factor = 1; factor <= 2 ** 63; factor *= 128) {
    const byte = message[position.at++];
    if (byte === undefined) return Number.MAX_SAFE_INTEGER;
    value += (byte & 127) * factor;
    if (byte < 128) return value;
  }
  return Number.MAX_SAFE_INTEGER;
}
