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
const lowMaskBig = BigInt(lowMask);
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

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Makes the codec of a database from its salt (`instance.uuid_salt`). */
export function createIdCodec(salt: bigint): IdCodec {
  const saltHigh = Number((salt >> 32n) & 0xffffffffn);
  const saltLow = Number(salt & 0xffffffffn);
  const encode = (id: bigint): string => {
    const ms = Number(id >> lowBits);
    const low = Number(id & lowMaskBig);
    const first = mix(mix(saltHigh ^ low) ^ ms ^ Math.floor(ms / 0x100000000));
    const second = mix(mix(saltLow ^ first) ^ low ^ ms);
    const sinceMs = ms + epochMs;
    const tail = (((second >>> 20) & 3) << 22) | low;
    const randA = 0x7000 | (first & 0xfff);
    const randB = 0x8000 | ((first >>> 12) & 0x3fff);
    const randC = ((first >>> 26) << 18) | (second & 0x3ffff);
    return `${hex16(Math.floor(sinceMs / 0x100000000))}${hex16((sinceMs / 0x10000) & 0xffff)}-${hex16(sinceMs & 0xffff)}-${hex16(randA)}-${hex16(randB)}-${hex8(randC >>> 16)}${hex16(randC & 0xffff)}${hex8(tail >>> 16)}${hex16(tail & 0xffff)}`;
  };
  return {
    encode,
    decode: (text) => {
      const uuid = text.toLowerCase();
      if (!uuidPattern.test(uuid)) return undefined;
      const ms = Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16) - epochMs;
      if (ms < 0 || ms >= 2 ** 41) return undefined;
      const low = Number.parseInt(uuid.slice(30), 16) & lowMask;
      const id = (BigInt(ms) << lowBits) | BigInt(low);
      return encode(id) === uuid ? id : undefined;
    },
  };
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
