/**
 * Ids of tasks and batches.
 *
 * Inside, an id is a positive 63-bit integer: 41 bits of milliseconds since 2025, 22 bits of a number that no other server draws in the
 * same millisecond (blocks of 4,096 from one database sequence, modulo 2^22). Ids of one server ascend, so that the newest rows stay
 * together in every index, and parents stand before their children. Should two servers whose clocks differ ever meet on the same id,
 * the primary key refuses it and the call is tried again with other ids.
 *
 * Outside, it is a UUIDv7 (RFC 9562): the same milliseconds, the 22 bits, and 52 bits drawn from both and from a salt of the database, so
 * that nobody can guess one and no table has to map them.
 */
const epochMs = Date.UTC(2025, 0, 1);
const lowBits = 22n;
const lowMask = (1 << 22) - 1;
const blockSize = 4096;

/** What an {@link IdSource} needs from outside: the clock, and numbers of blocks that nobody else has. */
export interface IdSourceOptions {
  readonly nowMs: () => number;
  readonly drawBlocks: (count: number) => Promise<readonly bigint[]>;
}

/** Hands out ascending ids. One per server process. */
export class IdSource {
  readonly #options: IdSourceOptions;
  readonly #blocks: number[] = [];
  #used = 0;
  #lastMs = 0;
  #lastLow = -1;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: IdSourceOptions) {
    this.#options = options;
  }

  /** Takes `count` ids, in ascending order. Waits for the database only when the drawn blocks are used up. */
  async take(count: number): Promise<bigint[]> {
    while (this.#available() < count) {
      const turn = this.#turn.then(() => this.#draw(count));
      this.#turn = turn.catch(() => {});
      await turn;
    }
    return Array.from({ length: count }, () => this.#next());
  }

  #available(): number {
    return this.#blocks.length * blockSize - this.#used;
  }

  async #draw(count: number): Promise<void> {
    while (this.#available() < count) {
      const blocks = await this.#options.drawBlocks(Math.ceil((count - this.#available()) / blockSize));
      for (const block of blocks) this.#blocks.push(Number(block & 1023n) * blockSize);
    }
  }

  #next(): bigint {
    const block = this.#blocks[0];
    if (block === undefined) throw new Error("ids were taken that had not been drawn");
    const low = block + this.#used;
    this.#used += 1;
    if (this.#used === blockSize) {
      this.#blocks.shift();
      this.#used = 0;
    }
    const nowMs = Math.max(this.#options.nowMs() - epochMs, this.#lastMs);
    this.#lastMs = nowMs === this.#lastMs && low <= this.#lastLow ? nowMs + 1 : nowMs;
    this.#lastLow = low;
    return (BigInt(this.#lastMs) << lowBits) | BigInt(low);
  }
}

/** The lowest id that could be handed out at a time (milliseconds since 1970); of a time that ids do not reach, the nearest one. */
export function firstIdAt(ms: number): bigint {
  return BigInt(Math.min(Math.max(Math.trunc(ms) - epochMs, 0), 2 ** 41 - 1)) << lowBits;
}

/** Translates between ids and the UUIDs that clients see. */
export interface IdCodec {
  encode(id: bigint): string;
  /** The id of a UUID, or undefined for what this database cannot have handed out. */
  decode(uuid: string): bigint | undefined;
}

/** Makes the codec of a database from its salt (`instance.uuid_salt`). */
export function createIdCodec(salt: bigint): IdCodec {
  const saltHigh = Number((salt >> 32n) & 0xffffffffn);
  const saltLow = Number(salt & 0xffffffffn);
  /** One id at a time, as two halves: arithmetic with bigints makes one for each step. */
  const halves = new DataView(new ArrayBuffer(8));
  const firstOf = (ms: number, low: number) => mix(mix(saltHigh ^ low) ^ ms ^ Math.floor(ms / 0x100000000));
  const secondOf = (ms: number, low: number, first: number) => mix(mix(saltLow ^ first) ^ low ^ ms);
  const encode = (id: bigint): string => {
    halves.setBigUint64(0, id);
    const lowHalf = halves.getUint32(4);
    const ms = halves.getUint32(0) * 2 ** 10 + (lowHalf >>> 22);
    const low = lowHalf & lowMask;
    const first = firstOf(ms, low);
    const second = secondOf(ms, low, first);
    const sinceMs = ms + epochMs;
    const [randA, randB, randC, tail] = [randAOf(first), randBOf(first), randCOf(first, second), tailOf(second, low)];
    return `${hex16(Math.floor(sinceMs / 0x100000000))}${hex16((sinceMs / 0x10000) & 0xffff)}-${hex16(sinceMs & 0xffff)}-${hex16(randA)}-${hex16(randB)}-${hex8(randC >>> 16)}${hex16(randC & 0xffff)}${hex8(tail >>> 16)}${hex16(tail & 0xffff)}`;
  };
  return {
    encode,
    decode: (text) => {
      if (text.length !== 36) return undefined;
      for (const place of [8, 13, 18, 23]) if (text.charCodeAt(place) !== dash) return undefined;
      const ms = hexOf(text, 0, 8) * 2 ** 16 + hexOf(text, 9, 13) - epochMs;
      const tail = hexOf(text, 30, 36);
      // What is no hexadecimal number is NaN, which is in no range.
      if (!(ms >= 0 && ms < 2 ** 41)) return undefined;
      const low = tail & lowMask;
      const first = firstOf(ms, low);
      const second = secondOf(ms, low, first);
      if (hexOf(text, 14, 18) !== randAOf(first) || hexOf(text, 19, 23) !== randBOf(first)) return undefined;
      if (hexOf(text, 24, 30) !== randCOf(first, second) || tail !== tailOf(second, low)) return undefined;
      halves.setUint32(0, Math.floor(ms / 2 ** 10));
      halves.setUint32(4, (ms % 2 ** 10) * 2 ** 22 + low);
      return halves.getBigUint64(0);
    },
  };
}

/** The parts of a UUID behind its time: the version, the variant and 52 bits that nobody can guess, around the 22 bits of the id. */
function randAOf(first: number): number {
  return 0x7000 | (first & 0xfff);
}

function randBOf(first: number): number {
  return 0x8000 | ((first >>> 12) & 0x3fff);
}

function randCOf(first: number, second: number): number {
  return ((first >>> 26) << 18) | (second & 0x3ffff);
}

function tailOf(second: number, low: number): number {
  return (((second >>> 20) & 3) << 22) | low;
}

const dash = 0x2d;

/** The number that hexadecimal digits of either case say; NaN where there are other characters. */
function hexOf(text: string, from: number, to: number): number {
  let value = 0;
  for (let n = from; n < to; n += 1) {
    const code = text.charCodeAt(n);
    const digit =
      code >= 0x30 && code <= 0x39
        ? code - 0x30
        : (code | 0x20) >= 0x61 && (code | 0x20) <= 0x66
          ? (code | 0x20) - 0x57
          : Number.NaN;
    value = value * 16 + digit;
  }
  return value;
}

/** The finalizer of MurmurHash3 (Austin Appleby, public domain): every bit of the input moves every bit of the output. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The two hexadecimal digits of each byte: ids are written by the thousand. */
const hexOfBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hex8(value: number): string {
  return hexOfBytes[value & 0xff] as string;
}

function hex16(value: number): string {
  return `${hexOfBytes[(value >>> 8) & 0xff]}${hexOfBytes[value & 0xff]}`;
}
