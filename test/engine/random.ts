/** Random numbers that a seed repeats: what concurrent clients choose, so that only their timing is left to chance. */
export interface Random {
  /** A whole number from 0 below `bound`. */
  below(bound: number): number;
  chance(probability: number): boolean;
  shuffle<T>(items: readonly T[]): T[];
}

/** createRandom makes a generator from a seed: mulberry32 (Tommy Ettinger, public domain). */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    below,
    chance: (probability) => next() < probability,
    shuffle: (items) => {
      const shuffled = [...items];
      for (let n = shuffled.length - 1; n > 0; n -= 1) {
        const other = below(n + 1);
        [shuffled[n], shuffled[other]] = [shuffled[other] as (typeof shuffled)[number], shuffled[n] as never];
      }
      return shuffled;
    },
  };
}
