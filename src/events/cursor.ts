import { invalidField } from "../domain/errors.ts";

/** Numbers of commits that follow each other, both ends among them. */
export interface CommitRange {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * A place in the feed: all of the commits up to `seq` and the first `index` changes of the next one have been seen, and of what follows
 * the commits in `seen` (a snapshot saw them before their turn), ascending.
 */
export interface Cursor {
  readonly seq: bigint;
  readonly index: number;
  readonly seen: readonly CommitRange[];
}

/** The cursor after a whole commit. */
export function cursorAfter(seq: bigint, seen: readonly CommitRange[] = []): Cursor {
  return { seq, index: 0, seen: seen.filter((range) => range.last > seq) };
}

/** Tells whether a commit was seen before its turn. */
export function isSeen(cursor: Cursor, seq: bigint): boolean {
  return cursor.seen.some((range) => range.first <= seq && seq <= range.last);
}

/** The first change of a commit that stands behind a place before it. */
export function indexIn(cursor: Cursor, commit: { readonly seq: bigint }): number {
  return commit.seq === cursor.seq + 1n ? cursor.index : 0;
}

/** Ascending numbers as ranges: however many commits a snapshot saw, only the numbers that it did not see among them take room in a cursor. */
export function rangesOf(ascending: readonly bigint[]): CommitRange[] {
  const ranges: { first: bigint; last: bigint }[] = [];
  for (const seq of ascending) {
    const range = ranges.at(-1);
    if (range !== undefined && range.last + 1n === seq) range.last = seq;
    else ranges.push({ first: seq, last: seq });
  }
  return ranges;
}

/** Writes a cursor as the opaque text that clients keep. */
export function formatCursor(cursor: Cursor): string {
  const seen = cursor.seen.map(({ first, last }) => {
    const from = first > cursor.seq ? first : cursor.seq + 1n;
    return last === from ? `${from - cursor.seq}` : `${from - cursor.seq}_${last - from}`;
  });
  return `c${cursor.seq}-${cursor.index}${seen.length === 0 ? "" : `-${seen.join(".")}`}`;
}

const pattern = /^c(\d{1,18})-(\d{1,9})(?:-(\d{1,18}(?:_\d{1,18})?(?:\.\d{1,18}(?:_\d{1,18})?){0,999}))?$/;

/** Reads a cursor; INVALID_FIELD for a text that {@link formatCursor} has not made. */
export function parseCursor(text: string): Cursor {
  const match = pattern.exec(text);
  if (match === null)
    throw invalidField(
      "cursor",
      `"${text.slice(0, 100)}" is not a cursor of this feed; use one from an earlier answer, or none`,
    );
  const seq = BigInt(match[1] as string);
  const seen = match[3]?.split(".").map((range) => {
    const [from = "0", further = "0"] = range.split("_");
    return { first: seq + BigInt(from), last: seq + BigInt(from) + BigInt(further) };
  });
  return { seq, index: Number(match[2]), seen: seen ?? [] };
}
