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
  /** Is given the items of the messages that are passed on without them, by the number of the message, from 0. */
  readonly hold: (message: number, items: SlicedItems) => void;
}

/** The items of a list in a message, as they came: a few in each slice, with the tag and length of each. */
export interface SlicedItems {
  readonly slices: readonly Uint8Array[];
  readonly count: number;
}

/**
 * Takes the many items of a list out of the messages of a stream of Protobuf, and cuts them into slices of few. An upload's message has thousands of tasks; decoded at once, they outlive several
 * collections of young objects, and V8, which sees that, puts all that are decoded later where only a full collection frees them: the heap grows by
 * the whole upload, though nothing of it is kept. A few at a time die young.
 *
 * What is compressed, not well-formed, or in an order that no encoder writes stays as it is.
 */
export async function* sliceParts(
  body: AsyncIterable<Uint8Array>,
  { field, maxMessageBytes, hold }: SliceOptions,
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
      const { rest, items } = partedOf(whole.subarray(0, frame), field);
      if (items !== undefined) hold(messages, items);
      messages += 1;
      yield rest;
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

/** A frame without its items, and these; undefined: it has few, and keeps them. */
function partedOf(frame: Buffer, field: number): { rest: Buffer; items?: SlicedItems } {
  const message = frame.subarray(prefixBytes);
  const { starts, count } = frame[0] === 0 ? startsOf(message, field) : unparted;
  const [first] = starts;
  if (first === undefined || starts.length === 1) return { rest: frame };
  const rest = Buffer.from(frame.subarray(0, prefixBytes + first));
  rest.writeUInt32BE(first, 1);
  return { rest, items: { slices: starts.map((start, n) => message.subarray(start, starts[n + 1])), count } };
}

interface SliceStarts {
  readonly starts: readonly number[];
  readonly count: number;
}

const unparted: SliceStarts = { starts: [], count: 0 };

/** Where slices of a message's list begin; its items come after everything else. */
function startsOf(message: Buffer, field: number): SliceStarts {
  const starts: number[] = [];
  const position = { at: 0 };
  let count = 0;
  let inSlice = itemsPerSlice;
  let sliceStart = 0;
  while (position.at < message.length) {
    const start = position.at;
    const tag = readVarint(message, position);
    const isItem = tag === field * 8 + lengthDelimited;
    if ((count > 0 && !isItem) || !skipValue(message, tag & 7, position)) return unparted;
    if (!isItem) continue;
    count += 1;
    if (inSlice === itemsPerSlice || position.at - sliceStart > bytesPerSlice) {
      starts.push(start);
      sliceStart = start;
      inSlice = 0;
    }
    inSlice += 1;
  }
  return position.at === message.length && count <= itemsMax ? { starts, count } : unparted;
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
