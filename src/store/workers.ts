import type { HeldAttempt, PresentWorker, WorkerProfile } from "../domain/worker.ts";
import type { Database, Statement } from "./database.ts";

/** What a server writes of a worker that it knows. Times are ages, by the server's clock. */
export interface WorkerPresence extends WorkerProfile {
  readonly name: string;
  readonly session: string;
  readonly state: number;
  /** It has a stream. */
  readonly streams: boolean;
  /** It has not been written before: it takes the place of what another stream, or a worker without one, has left. */
  readonly isNew: boolean;
  readonly connectedMsAgo: number;
  readonly heardMsAgo: number;
  /** How long the row counts unless it is written again. */
  readonly keepMs: number;
  readonly running: readonly { readonly id: bigint; readonly attempt: number }[];
}

const saveStatement: Statement = {
  name: "save_workers",
  text: `insert into worker_presence as p (namespace_id, name, session, state, streams, slots, kinds, labels, running_ids, running_attempts, connect_time, heartbeat_time, expire_time)
    select $1, x.name, x.session, x.state, x.streams, x.slots, x.kinds, x.labels, x.running_ids, x.running_attempts,
      now() - x.connected * interval '1 millisecond', now() - x.heard * interval '1 millisecond', now() + x.keep * interval '1 millisecond'
    from jsonb_to_recordset($2::jsonb) x(name text, session uuid, state smallint, streams boolean, is_new boolean, slots integer, kinds text[], labels jsonb,
      running_ids bigint[], running_attempts integer[], connected bigint, heard bigint, keep bigint)
    order by x.name collate "C"
    on conflict (namespace_id, name) do update set session = excluded.session, state = excluded.state, streams = excluded.streams, slots = excluded.slots,
      kinds = excluded.kinds, labels = excluded.labels, running_ids = excluded.running_ids, running_attempts = excluded.running_attempts,
      connect_time = case when p.streams or excluded.streams or p.expire_time < now() then excluded.connect_time else least(p.connect_time, excluded.connect_time) end,
      heartbeat_time = excluded.heartbeat_time, expire_time = excluded.expire_time
    where p.session = excluded.session or p.expire_time < now() or not p.streams or excluded.session = any ($3::uuid[])
    returning p.name`,
};

/**
 * Writes workers, in one statement; answers the names of those that were. One that was not is connected by a newer stream, to this server or another. A worker
 * without a stream never takes the place of one that has one.
 */
export async function saveWorkers(
  db: Database,
  namespaceId: number,
  workers: readonly WorkerPresence[],
): Promise<ReadonlySet<string>> {
  const rows = workers.map(({ name, session, state, streams, slots, kinds, labels, running, ...times }) => ({
    ...{ name, session, state, streams, slots, kinds, labels },
    running_ids: running.map(({ id }) => String(id)),
    running_attempts: running.map(({ attempt }) => attempt),
    ...{ connected: times.connectedMsAgo, heard: times.heardMsAgo, keep: times.keepMs },
  }));
  const taking = workers.filter(({ isNew, streams }) => isNew && streams).map(({ session }) => session);
  const saved = await db.write<{ name: string }>(saveStatement, [namespaceId, JSON.stringify(rows), taking]);
  return new Set(saved.map(({ name }) => name));
}

const forgetStatement: Statement = {
  name: "forget_workers",
  text: `delete from worker_presence p where p.namespace_id = $1
    and p.name = any ($2::text[]) and (p.name, p.session) in (select * from unnest($2::text[], $3::uuid[]))`,
};

/** Forgets workers that have gone, unless they have come back by another stream. */
export async function forgetWorkers(
  db: Database,
  namespaceId: number,
  workers: readonly { readonly name: string; readonly session: string }[],
): Promise<void> {
  const values = [namespaceId, workers.map(({ name }) => name), workers.map(({ session }) => session)];
  await db.write(forgetStatement, values);
}

const sweepStatement: Statement = {
  name: "sweep_workers",
  text: `delete from worker_presence where (namespace_id, name) in (
      select namespace_id, name from worker_presence where expire_time < now() - interval '1 minute' limit $1 for update skip locked)`,
};

/** Forgets up to `max` workers whose servers do not know them any more. */
export async function sweepWorkers(db: Database, max: number): Promise<void> {
  await db.write(sweepStatement, [max]);
}

/** A worker as it is listed, with the attempts that its server knew of. */
export interface ListedWorker extends PresentWorker {
  /** Its number in the tables of tasks; null: it has never claimed. */
  readonly worker: number | null;
  readonly runningIds: readonly bigint[];
  readonly runningAttempts: readonly number[];
}

const listStatement: Statement = {
  name: "list_workers",
  text: `select p.name, p.state, p.slots, p.kinds, p.labels, p.connect_time "connectTime", p.heartbeat_time "heartbeatTime", w.id worker,
      p.running_ids "runningIds", p.running_attempts "runningAttempts"
    from worker_presence p left join worker w on w.namespace_id = p.namespace_id and w.name = p.name collate "default"
    where p.namespace_id = $1 and p.expire_time > now() and p.name > $2 and (cardinality($3::text[]) = 0 or p.kinds && $3::text[])
    order by p.name limit $4`,
};

/** Workers that are connected or have asked lately, by name: those after a name that take at least one of some kinds (none: all), at most `max`. */
export function listWorkers(
  db: Database,
  select: { namespaceId: number; after: string; kinds: readonly string[]; max: number },
): Promise<ListedWorker[]> {
  return db.read<ListedWorker>(listStatement, [select.namespaceId, select.after, select.kinds, select.max]);
}

const countStatement: Statement = {
  name: "count_workers",
  text: `select count(*)::integer as kind, (count(*) filter (where labels @> $3::jsonb))::integer as matching
    from worker_presence where namespace_id = $1 and expire_time > now() and kinds @> array[$2::text]`,
};

/** How many workers take tasks of a kind, whatever their labels, and how many of them have those that are required. */
export async function countWorkers(
  db: Pick<Database, "read">,
  namespaceId: number,
  { kind, labels }: { readonly kind: string; readonly labels: Readonly<Record<string, string>> },
): Promise<{ readonly kind: number; readonly matching: number }> {
  interface Row {
    kind: number;
    matching: number;
  }
  const [row] = await db.read<Row>(countStatement, [namespaceId, kind, JSON.stringify(labels)]);
  return row ?? { kind: 0, matching: 0 };
}

const heldStatement: Statement = {
  name: "held_attempts",
  text: `select h.id, h.batch_id "batchId", h.queue, h.attempt, h.run_time "runTime", h.lease_until "leaseUntil", h.worker
    from unnest($1::bigint[], $2::integer[]) x(id, attempt) join task_state h on h.id = any (array[x.id])
    where h.status = 4 and h.attempt = x.attempt`,
};

/** Those of some attempts that are under way, with the worker that has each. */
export function heldAttempts(
  db: Database,
  attempts: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<(HeldAttempt & { readonly worker: number | null })[]> {
  return db.readByKey(heldStatement, [attempts.map(({ id }) => id), attempts.map(({ attempt }) => attempt)]);
}

const overStatement: Statement = {
  name: "over_attempts",
  text: `select x.id from unnest($1::bigint[], $2::integer[]) x(id, attempt) join task_state h on h.id = any (array[x.id])
    where h.attempt <> x.attempt or h.status not in (3, 4)`,
};

/** Those of some attempts that are over. */
export async function overAttempts(
  db: Database,
  attempts: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<bigint[]> {
  const values = [attempts.map(({ id }) => id), attempts.map(({ attempt }) => attempt)];
  return (await db.readByKey<{ id: bigint }>(overStatement, values)).map((row) => row.id);
}
