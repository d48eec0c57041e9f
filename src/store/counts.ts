import type { Database, Statement } from "./database.ts";
import { checkReplay, type RequestKey, retryTaken } from "./requests.ts";

/** A producer whose messages are to be added: those from a number to another one. */
export interface ProducerPart {
  readonly producerId: string;
  readonly first: bigint;
  readonly last: bigint;
}

/** What is to be added in one transaction. */
export interface NewCounts {
  /** Each once, in any order. */
  readonly producers: readonly ProducerPart[];
  /** The calls with a request_id that are in it; each id once. */
  readonly requests: readonly { readonly requestId: string; readonly bodyHash: Buffer }[];
  /** Tasks, each once and in the order of ids, with what is added. */
  readonly ids: readonly bigint[];
  readonly successes: readonly bigint[];
  readonly failures: readonly bigint[];
}

/** Why nothing was added to a task: the status as which it has ended, or one of these. */
export const countRefusal = { noSuchTask: 0, beyond64Bits: -1 } as const;

/** The tasks to which nothing was added, and why. */
export type RefusedCounts = ReadonlyMap<bigint, number>;

/** What became of counts: they were added; or nothing was, because some of them are in already. */
export type AddedCounts =
  | { readonly case: "added"; readonly refused: RefusedCounts }
  | {
      readonly case: "repeated";
      /** The number up to which the counts of a producer are in, of those of which some are. */
      readonly producers: ReadonlyMap<string, bigint>;
      readonly requestIds: ReadonlySet<string>;
    };

const addStatement: Statement = {
  name: "add_counts",
  text: "select * from mp_add_counts($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};

/** Adds counts, with how far each producer is and the answers of calls, in one transaction. */
export async function addCounts(db: Database, namespaceId: number, counts: NewCounts): Promise<AddedCounts> {
  interface Row {
    o_repeated: string[] | null;
    o_repeated_lasts: bigint[] | null;
    o_answered: string[] | null;
    o_refused: bigint[] | null;
    o_refused_statuses: number[] | null;
  }
  // All servers lock producers in the same order.
  const producers = counts.producers.toSorted((a, b) => (a.producerId < b.producerId ? -1 : 1));
  const values = [
    namespaceId,
    ...(["producerId", "first", "last"] as const).map((name) => producers.map((producer) => producer[name])),
    counts.requests.map(({ requestId }) => requestId),
    counts.requests.map(({ bodyHash }) => bodyHash),
    ...[counts.ids, counts.successes, counts.failures],
  ];
  const [row] = await retryTaken(() => db.write<Row>(addStatement, values));
  if (row === undefined) throw new Error("mp_add_counts answered nothing");
  if (row.o_repeated !== null || row.o_answered !== null) {
    const lasts = row.o_repeated_lasts ?? [];
    return {
      case: "repeated",
      producers: new Map((row.o_repeated ?? []).map((id, n) => [id, lasts[n] as bigint])),
      requestIds: new Set(row.o_answered),
    };
  }
  return { case: "added", refused: refusedOf(row.o_refused ?? [], row.o_refused_statuses ?? []) };
}

const answerStatement: Statement = {
  name: "counts_answer",
  text: "select o_result result, o_hash hash from mp_find_request($1, $2)",
};

/** What a call was told that has been answered within the last 24 h; undefined: there is none any more. Fails with REQUEST_ID_REUSED. */
export async function findCountsAnswer(
  db: Pick<Database, "write">,
  request: RequestKey,
): Promise<RefusedCounts | undefined> {
  interface Row {
    result: { readonly refused?: readonly string[]; readonly statuses?: readonly number[] } | null;
    hash: Buffer | null;
  }
  const [row] = await db.write<Row>(answerStatement, [request.namespaceId, request.requestId ?? null]);
  checkReplay(request, row?.hash ?? null);
  if (row === undefined || row.result === null) return undefined;
  const { refused = [], statuses = [] } = row.result;
  return refusedOf(refused.map(BigInt), statuses);
}

function refusedOf(ids: readonly bigint[], statuses: readonly number[]): RefusedCounts {
  return new Map(ids.map((id, n) => [id, statuses[n] as number]));
}

const forgetStatement: Statement = {
  name: "forget_producers",
  text: `delete from count_producer where ctid = any (array(
    select ctid from count_producer where use_time < now() - interval '24 hours' limit $1 for update skip locked)) returning 1`,
};

/** Forgets producers that nothing came from for 24 h, at most `rowsMax` of them; tells how many. */
export async function forgetProducers(db: Pick<Database, "write">, rowsMax: number): Promise<number> {
  return (await db.write(forgetStatement, [rowsMax])).length;
}
