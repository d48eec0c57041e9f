import { MillpondError } from "../domain/errors.ts";
import { type Database, type Statement, sqlState, violatedConstraint } from "./database.ts";

/** A call that is safe to repeat: its request_id (absent: it is not) and a hash of its body, within a namespace. */
export interface RequestKey {
  readonly namespaceId: number;
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
}

/** The parameters that a request key becomes: the first three of each database function that takes one. */
export function requestValues(key: RequestKey): unknown[] {
  return [key.namespaceId, key.requestId ?? null, key.bodyHash];
}

/** Not `create_time >= now() - …`: it is found by its id, not among all that are as young. */
const answeredStatement: Statement = {
  name: "request_answered",
  text: "select from request where namespace_id = $1 and request_id = $2 and create_time + interval '24 hours' >= now()",
};

/** Tells whether a call with this request_id has been answered within the last 24 h. */
export async function isAnswered(db: Database, key: Omit<RequestKey, "bodyHash">): Promise<boolean> {
  if (key.requestId === undefined) return false;
  return (await db.read(answeredStatement, [key.namespaceId, key.requestId])).length > 0;
}

/** Refuses an answer that belongs to another body with the same request_id (REQUEST_ID_REUSED). */
export function checkReplay(key: RequestKey, replayedHash: Buffer | null): void {
  if (replayedHash === null || replayedHash.equals(key.bodyHash)) return;
  throw new MillpondError(
    "REQUEST_ID_REUSED",
    `request_id "${key.requestId}" was used for another request in the last 24 h; make a new one for each request`,
    {
      metadata: { request_id: key.requestId ?? "" },
    },
  );
}

/**
 * Makes a call again when another one with the same request_id, or with the same ids, was committed at the same time: the second
 * time it finds the first one's answer, or has other ids.
 */
export async function retryTaken<T>(attempt: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (
        n === 5 ||
        sqlState(error) !== "23505" ||
        !/^(request|task|batch)_pkey$/.test(violatedConstraint(error) ?? "")
      )
        throw error;
    }
  }
}

const forgetStatement: Statement = {
  name: "forget_requests",
  text: `delete from request where ctid = any (array(
    select ctid from request where create_time < now() - interval '24 hours' order by create_time limit $1 for update skip locked)) returning 1`,
};

/** Forgets answers that are older than 24 h, at most `rowsMax` of them; tells how many. */
export async function forgetRequests(db: Database, rowsMax: number): Promise<number> {
  return (await db.write(forgetStatement, [rowsMax])).length;
}
