import { type ClaimedDelivery, type Delivery, type DeliveryResult, DeliveryState } from "../domain/delivery.ts";
import type { Database, Statement } from "./database.ts";
import { type Page, type PageRequest, readPage } from "./pages.ts";
import { checkReplay, type RequestKey, requestValues } from "./requests.ts";
import { specSql } from "./shared-specs.ts";

/** Where the webhook of a delivery d is, from its task t or its batch b. */
const source = `case d.trigger when 4 then b.on_complete when 5 then d.webhook else ${specSql} end`;

/** What is taken at once may be as large as this together; a single delivery may be larger. */
const claimedBytesMax = 16 * 1024 * 1024;

const claimedColumns = `d.id, d.host, d.namespace_id "namespaceId", d.fence, d.attempt_count "attemptCount", d.create_time "createTime", d.last_attempt_time "attemptTime", d.task_id "taskId",
  d.batch_id "batchId", d.trigger, d.position, ${source} source, d.attempt, h.queue, coalesce(a.worker, h.worker) worker, t.key, coalesce(t.name, b.name) "name",
  h.status "taskStatus", h.attempt "taskAttempt", a.status "attemptStatus", case when d.trigger = 4 then s.end_time else coalesce(a.end_time, h.end_time) end "endTime",
  a.cause, a.parent_id culprit, a.message, a.code, a.details, case when d.trigger = 1 then a.output end output, s.status "batchStatus", b.stop_reason "stopReason"`;

/** The task that a delivery tells of, and its attempt; a batch has none (task_id 0). */
const taskOf = "left join task t on t.id = any (array[d.task_id])";
const attemptOf = "left join task_attempt a on a.task_id = any (array[d.task_id]) and a.attempt = d.attempt";
/** What the change left that a delivery tells of: the row of its attempt, or one of those of changes outside of attempts, the last before the delivery. */
const resultOf = `left join lateral (
      select * from task_attempt a where a.task_id = any (array[d.task_id]) and (a.attempt = d.attempt or (d.trigger <> 1 and a.attempt <= 0))
        and a.end_time <= d.create_time and a.status = any (case d.trigger when 1 then '{6}' when 2 then '{7}' else '{7,8}'::smallint[] end)
      order by a.end_time desc, a.attempt limit 1
    ) a on true`;
const batchOf = "join batch b on b.id = any (array[d.batch_id])";

/** So many hosts are walked by at once: some milliseconds. */
const hostsPage = 1000;

/**
 * The hosts from $1 on that deliveries are to be made to, each with when its first is due, found by steps through the index of what is due: few hosts have any, whatever there is of these. Each has
 * the `places` that an expression over its first delivery d says. A page ends after so many hosts, or with as many that have places as are `enough`.
 */
const hostsFrom = ({ places, enough }: { readonly places: string; readonly enough: string }): string => {
  const first = (where: string): string =>
    `select d.host, d.due, ${places} as places from delivery d where d.state = 1 and ${where} order by d.host, d.due limit 1`;
  return `recursive host as (
      (select x.*, 1 as n, case when x.places > 0 then 1 else 0 end as open from (${first("d.host >= $1")}) x)
      union all
      select x.*, h.n + 1, h.open + case when x.places > 0 then 1 else 0 end
      from host h cross join lateral (${first("d.host > h.host")}) x
      where h.n < ${hostsPage} and h.open < ${enough}
    )`;
};

/** The host after which to look on; no row: there is none. */
const nextPageStatement: Statement = {
  name: "delivery_hosts_page",
  text: `with ${hostsFrom({ places: "0", enough: "1" })} select max(host) host from host having count(*) = ${hostsPage}`,
};

/** Where a look at the hosts after this one begins. No name of a host holds the character: it is the first after the name. */
const after = (host: string): string => `${host}\u0001`;

/** As many as may be made to the host now, where something is due. */
const duePlaces =
  "case when d.due <= now() then coalesce(($4::integer[])[array_position($3::text[], d.host)], $5::integer) else 0 end";

const claimStatement: Statement = {
  name: "claim_deliveries",
  text: `with ${hostsFrom({ places: duePlaces, enough: "$2" })}, free as materialized (
      select x.* from (select * from host h where h.places > 0) h cross join lateral (
        select d.id, d.task_id, d.batch_id, d.attempt, d.trigger, d.webhook, d.due from delivery d
        where d.state = 1 and d.host = h.host and d.due <= now() order by d.due
        limit least($2, h.places) for update skip locked
      ) x order by h.n, x.due limit $2
    ), sized as materialized (
      select d.id, row_number() over (order by d.due, d.id) n,
        sum(coalesce(octet_length(${source}), 0) + coalesce(octet_length(a.output), 0)) over (order by d.due, d.id) total
      from free d ${taskOf} ${batchOf} ${attemptOf}
    ), d as (
      update delivery d set due = now() + $6::bigint * interval '1 millisecond', fence = d.fence + 1, last_attempt_time = now(),
        attempt_count = d.attempt_count + 1
      where d.id = any (array(select x.id from sized x where x.n = 1 or x.total <= ${claimedBytesMax}))
      returning d.*
    )
    select ${claimedColumns} from d ${taskOf} left join task_state h on h.id = any (array[d.task_id]) ${resultOf}
      ${batchOf} join batch_state s on s.batch_id = any (array[d.batch_id]) order by d.id`,
};

/** How many deliveries may be made to hosts now. */
export interface DeliveryLimits {
  /** Hosts with limits of their own. */
  readonly hosts: readonly string[];
  /** How many may be made to each of these. */
  readonly free: readonly number[];
  /** How many to each other host. */
  readonly perHost: number;
}

/**
 * Takes deliveries that are due, at most `max`, at most so many of each host, the longest due first, and as many as fit in memory. Whoever took them has them for `leaseMs`: what is
 * not settled by then is taken again. Hosts take turns: those after `afterHost` in the order of their names come first.
 */
export async function claimDeliveries(
  db: Database,
  claim: {
    readonly max: number;
    readonly leaseMs: number;
    readonly limits: DeliveryLimits;
    readonly afterHost?: string | undefined;
  },
): Promise<ClaimedDelivery[]> {
  const { max, leaseMs, limits, afterHost } = claim;
  const values = [max, limits.hosts, limits.free, limits.perHost, leaseMs];
  // Those after it, and then all.
  for (const first of afterHost === undefined ? [""] : [after(afterHost), ""]) {
    for (let from: string | undefined = first; from !== undefined; from = await nextPage(db, from)) {
      const claimed: ClaimedDelivery[] = await db.write<ClaimedDelivery>(claimStatement, [from, ...values]);
      if (claimed.length > 0) return claimed;
    }
  }
  return [];
}

/** Where the page of hosts that begins there ends; undefined: it is the last. */
async function nextPage(db: Pick<Database, "read">, from: string): Promise<string | undefined> {
  const [last] = await db.read<{ host: string }>(nextPageStatement, [from]);
  return last === undefined ? undefined : after(last.host);
}

/** A sum keeps the plan from the index of what is due, all of which it would walk; the bounds of the others, from that of another table's size. */
const settleStatement: Statement = {
  name: "settle_deliveries",
  text: `with x as materialized (
      select d.id, x.state, x.delay, x.status_code, x.error
      from (
        select * from unnest($1::bigint[], $2::integer[], $3::smallint[], $4::bigint[], $5::integer[], $6::text[]) x(id, fence, state, delay, status_code, error) order by id
      ) x cross join lateral (select d.id from delivery d where d.id = x.id and d.fence = x.fence and d.state + 0 = 1 offset 0 for update) d
    )
    update delivery d set state = x.state, last_status_code = x.status_code, last_error = x.error,
      due = now() + x.delay * interval '1 millisecond', deliver_time = case x.state when 2 then now() end
    from x where d.id = any (array(select id from x)) and x.id = d.id returning d.id`,
};

/** Records what attempts came to; answers the ids of those that were still their sender's. A sender whose lease is over changes nothing. */
export async function settleDeliveries(db: Database, results: readonly DeliveryResult[]): Promise<bigint[]> {
  const column = <K extends keyof DeliveryResult>(name: K): DeliveryResult[K][] =>
    results.map((result) => result[name]);
  const columns = ["id", "fence", "state", "delayMs", "statusCode", "error"] as const;
  return (await db.write<{ id: bigint }>(settleStatement, columns.map(column))).map((row) => row.id);
}

const nextDueStatement: Statement = {
  name: "next_delivery_due",
  text: `with ${hostsFrom({ places: "case when d.host = any ($2::text[]) then -1 when d.due <= now() then 1 else 0 end", enough: "1" })}, page as (
      select min(due) filter (where places >= 0) due, case when count(*) = ${hostsPage} then max(host) end "last" from host
    )
    select case when due is not null then greatest(0, ceil(extract(epoch from due - clock_timestamp()) * 1000))::float8 end "inMs", "last" from page`,
};

/** In how many milliseconds the next delivery to another host than these is due; undefined: there is none to be made. */
export async function nextDeliveryDue(
  db: Pick<Database, "read">,
  exceptHosts: readonly string[] = [],
): Promise<number | undefined> {
  let nextMs: number | undefined;
  let from: string | undefined = "";
  while (from !== undefined && nextMs !== 0) {
    const [page]: NextDue[] = await db.read<NextDue>(nextDueStatement, [from, exceptHosts]);
    const inMs = page?.inMs ?? undefined;
    if (inMs !== undefined) nextMs = Math.min(inMs, nextMs ?? inMs);
    from = page === undefined || page.last === null ? undefined : after(page.last);
  }
  return nextMs;
}

interface NextDue {
  readonly inMs: number | null;
  readonly last: string | null;
}

const openGatesStatement: Statement = { name: "open_delivery_gates", text: "select mp_end_starts($1, $2) opened" };

/** Makes due what tells of the ends of attempts and waited for their start calls; answers how many deliveries. */
export async function openGates(
  db: Database,
  attempts: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<number> {
  const values = [attempts.map(({ id }) => id), attempts.map(({ attempt }) => attempt)];
  return (await db.write<{ opened: number }>(openGatesStatement, values))[0]?.opened ?? 0;
}

/** What ListDeliveries selects. Absent filters select everything. */
export interface DeliveryFilter {
  readonly namespaceId: number;
  readonly taskId: bigint | undefined;
  /** The batch and its tasks. */
  readonly batchId: bigint | undefined;
  readonly states: readonly number[];
  readonly triggers: readonly number[];
  /** As `hostKey` says. */
  readonly host: string | undefined;
}

/** A page ends where what its webhooks are read from would be larger than this. */
const pageBytesMax = 16 * 1024 * 1024;

const listedColumns = `d.id, d.task_id "taskId", d.batch_id "batchId", d.trigger, d.position, ${source} source, d.state, d.fence attempts,
  d.last_status_code "lastStatusCode", d.last_error "lastError", d.create_time "createTime", d.last_attempt_time "lastAttemptTime", d.due,
  d.deliver_time "deliverTime"`;

/**
 * Each walks its own index backwards: of a task, of a batch, of what is EXHAUSTED at a host, of all. Read by key: where plans may gather rows and sort them, one that was made while the table was
 * small does so with all of a task or a batch.
 */
const scopes = {
  task: { where: "task_id = $1", order: "task_id desc, id desc" },
  batch: { where: "batch_id = $1", order: "batch_id desc, id desc" },
  host: { where: "host = $1 and state = 3", order: "host desc, id desc" },
  all: { where: "$1::bigint is null", order: "id desc" },
} as const;
type Scope = keyof typeof scopes;

const listStatement = (scope: Scope): Statement => ({
  name: `list_deliveries_${scope}`,
  text: `select * from (
      select page.*, sum(octet_length(coalesce(source, ''))) over (order by id desc) bytes, row_number() over (order by id desc) n, count(*) over () matched
      from (
        select ${listedColumns} from (
          select * from delivery where ${scopes[scope].where} and id < $2 order by ${scopes[scope].order} limit $6
        ) d ${taskOf} ${batchOf}
        where d.namespace_id = $3 and (cardinality($4::smallint[]) = 0 or d.state = any ($4)) and ($5::bigint is null or d.batch_id = $5)
          and (cardinality($8::smallint[]) = 0 or d.trigger = any ($8)) and ($9::text is null or d.host = $9)
        order by d.id desc limit $7
      ) page
    ) page where n = 1 or bytes <= ${pageBytesMax} order by id desc`,
});
const windowStatement = (scope: Scope): Statement => ({
  name: `list_deliveries_window_${scope}`,
  text: `select id from delivery where ${scopes[scope].where} and id < $2 order by ${scopes[scope].order} offset $3 limit 1`,
});
const statements = {
  task: { list: listStatement("task"), window: windowStatement("task") },
  batch: { list: listStatement("batch"), window: windowStatement("batch") },
  host: { list: listStatement("host"), window: windowStatement("host") },
  all: { list: listStatement("all"), window: windowStatement("all") },
};

/** Lists a page of deliveries, newest first. */
export function listDeliveries(
  db: Pick<Database, "readByKey">,
  filter: DeliveryFilter,
  page: PageRequest,
): Promise<Page<Delivery>> {
  const [scope, value] = scopeOf(filter);
  const within = statements[scope];
  const before = page.before ?? (1n << 63n) - 1n;
  return readPage({
    size: page.size,
    rows: (limit, window) =>
      db.readByKey<Delivery & { readonly matched: bigint }>(within.list, [
        ...[value, before, filter.namespaceId, filter.states, filter.batchId ?? null, window, limit],
        ...[filter.triggers, filter.host ?? null],
      ]),
    windowEnd: async (window) =>
      (await db.readByKey<{ id: bigint }>(within.window, [value, before, window - 1]))[0]?.id,
  });
}

/** The index that a filter is walked by, and its value there. */
function scopeOf({ taskId, batchId, host, states }: DeliveryFilter): [Scope, bigint | string | null] {
  if (taskId !== undefined) return ["task", taskId];
  if (batchId !== undefined) return ["batch", batchId];
  const isExhausted = states.length > 0 && states.every((state) => state === DeliveryState.EXHAUSTED);
  return host !== undefined && isExhausted ? ["host", host] : ["all", null];
}

/** Which deliveries are to be made again: those with these ids, whatever their state, or the EXHAUSTED ones of tasks, of batches or to a host. */
export type ReplaySelection =
  | { readonly by: "id" | "task" | "batch"; readonly ids: readonly bigint[] }
  | { readonly by: "host"; readonly host: string };

/** So many to one host are made due at once. */
const replayedToHostMax = 10_000;

const selections: Record<ReplaySelection["by"], string> = {
  id: "id = any ($4::bigint[])",
  task: "task_id = any ($4::bigint[]) and state = 3",
  batch: "batch_id = any ($4::bigint[]) and state = 3",
  host: `id = any (array(select x.id from delivery x where x.host = $4 and x.state = 3 order by x.id limit ${replayedToHostMax})) and state = 3`,
};
const replayStatement = (by: ReplaySelection["by"]): Statement => ({
  name: `replay_deliveries_by_${by}`,
  // $5: how many there must be. An answer that is 24 h old has to go before the new one with its key can be kept: the count of it makes that sure.
  text: `with known as materialized (
      select body_hash, result from request where namespace_id = $1 and request_id = $2 and create_time >= now() - interval '24 hours'
    ), chosen as materialized (
      select id from delivery where ${selections[by]} and namespace_id = $1 and not exists (select from known) order by id for update
    ), whole as materialized (
      select $5::integer is null or count(*) = $5::integer ok from chosen
    ), replayed as (
      update delivery d set state = 1, due = now(), attempt_count = 0, deliver_time = null
      where d.id = any (array(select id from chosen)) and (select ok from whole) returning 1
    ), outdated as (
      delete from request where namespace_id = $1 and request_id = $2 and create_time < now() - interval '24 hours' returning 1
    ), kept as (
      insert into request (namespace_id, request_id, create_time, body_hash, result)
      select $1, $2, now(), $3, jsonb_build_object('replayed', (select count(*) from replayed))
      where $2::text is not null and (select count(*) from outdated) >= 0 and not exists (select from known) and (select ok from whole)
    )
    select coalesce((select (result ->> 'replayed')::bigint from known), (select count(*) from replayed)) replayed,
      (select body_hash from known) "replayedHash", (select ok from whole) or exists (select from known) "isWhole"`,
});
const replayStatements = {
  ...{ id: replayStatement("id"), task: replayStatement("task") },
  ...{ batch: replayStatement("batch"), host: replayStatement("host") },
};

/** Makes deliveries due again with a fresh budget, all or none; tells how many, or undefined where one of the ids does not exist. */
export async function replayDeliveries(
  db: Database,
  request: RequestKey,
  selection: ReplaySelection,
): Promise<bigint | undefined> {
  interface Row {
    replayed: bigint;
    replayedHash: Buffer | null;
    isWhole: boolean;
  }
  const wanted = selection.by === "id" ? selection.ids.length : null;
  const value = selection.by === "host" ? selection.host : selection.ids;
  const [row] = await db.write<Row>(replayStatements[selection.by], [...requestValues(request), value, wanted]);
  checkReplay(request, row?.replayedHash ?? null);
  return row?.isWhole === true ? row.replayed : undefined;
}
