import { MillpondError } from "../domain/errors.ts";
import type { Rule } from "../domain/rule.ts";
import type { Micros } from "../domain/task.ts";
import { getBatches } from "./batches.ts";
import type { Database, Statement } from "./database.ts";
import type { Page, PageRequest } from "./pages.ts";

/** How much of a rule's key is in use, and who waits for it. */
export interface RuleUsage {
  readonly rule: Rule;
  readonly key: string;
  readonly inUse: bigint;
  readonly queued: bigint;
  /** Since when the task that has waited longest waits. */
  readonly oldest: Micros | null;
}

/** Which keys are listed; an empty kind and no batch: all of the namespace that are in use or waited for. */
export interface RuleUsageFilter {
  readonly namespaceId: number;
  readonly batchId: bigint | undefined;
  readonly kind: string;
}

/**
 * A lane counts for a key when that has no room. Of all lanes, only those are looked at that have something blocked or held, by loose index scans, from each to the
 * next; and of keys with starts in their windows the newest ones, for their rules.
 */
const listStatement: Statement = {
  name: "list_rule_usage",
  text: `with recursive waiting_lane as (
      (select b.lane from blocked b where $2::bigint is null order by b.lane limit 1)
      union all
      select (select b.lane from blocked b where b.lane > w.lane order by b.lane limit 1) from waiting_lane w where w.lane is not null
    ), holding_lane as (
      (select h.lane from hold h where $2::bigint is null order by h.lane limit 1)
      union all
      select (select h.lane from hold h where h.lane > w.lane order by h.lane limit 1) from holding_lane w where w.lane is not null
    ), started_key as (
      (select s.key_id from rate_start s where $2::bigint is null order by s.key_id limit 1)
      union all
      select (select s.key_id from rate_start s where s.key_id > w.key_id order by s.key_id limit 1) from started_key w where w.key_id is not null
    ), chosen as (
      select w.lane from waiting_lane w
      union select h.lane from holding_lane h
      union select x.lane from hold h cross join lateral unnest(h.lanes) x(lane) where $2::bigint is null and h.lane = 0
      union select k.lane from started_key s cross join lateral (select q.lane from lane_key q where q.key_id = s.key_id order by q.lane desc limit 100) k
      union select b.lane from blocked b where b.batch_id = $2
      union select s.held_lane from task t join task_state s on s.id = t.id where t.batch_id = $2 and s.status in (3, 4)
    ), lanes as materialized (
      select l.*, w.n, w.since from chosen join lane l on l.id = chosen.lane
        cross join lateral (select count(*) n, min(b.block_time) since from blocked b where b.lane = l.id) w where l.namespace_id = $1
    ), pair as (
      select k.key, k.rule, k.bound, k.window_ms, sum(l.n) waiting, min(l.since) oldest
      from lanes l cross join lateral unnest(l.keys, l.rules, l.bounds, l.windows) k(key, rule, bound, window_ms) group by k.key, k.rule, k.bound, k.window_ms
    ), usage as (
      select p.*, mp_taken(p.key, p.window_ms, u.in_use, clock_timestamp()) taken from pair p join rule_usage u on u.key_id = p.key
    )
    select r.name, r.kind, r.fields, r.type, r.bound, r.window_ms "windowMs", k.key, u.taken "inUse",
      case when u.taken >= u.bound then u.waiting else 0 end::bigint queued, case when u.taken >= u.bound then u.oldest end oldest
    from usage u join rule r on r.id = u.rule join rule_key k on k.id = u.key
    where ($3 = '' or r.kind = $3) and (u.taken > 0 or u.waiting > 0)
    order by queued desc, k.id, r.id offset $4 limit $5`,
};

/** Lists keys, the longest queue first. A page goes on after so many keys: those that move meanwhile may be missed or come twice. Fails with BATCH_NOT_FOUND. */
export async function listRuleUsage(
  db: Pick<Database, "read" | "readByKey">,
  { namespaceId, batchId, kind }: RuleUsageFilter,
  { size, before }: PageRequest,
): Promise<Page<RuleUsage>> {
  interface Row extends Omit<Rule, "windowMs"> {
    readonly windowMs: bigint;
    readonly key: string;
    readonly inUse: bigint;
    readonly queued: bigint;
    readonly oldest: Micros | null;
  }
  if (batchId !== undefined && (await getBatches(db, namespaceId, [batchId])).length === 0)
    throw new MillpondError("BATCH_NOT_FOUND", "there is no such batch");
  const skipped = before ?? 0n;
  const found = await db.read<Row>(listStatement, [namespaceId, batchId ?? null, kind, skipped, size + 1]);
  const rows = found.slice(0, size).map(
    ({ key, inUse, queued, oldest, windowMs, ...rule }): RuleUsage => ({
      ...{ rule: { ...rule, windowMs: Number(windowMs) }, key, inUse, queued, oldest },
    }),
  );
  return { rows, nextBefore: found.length > size ? skipped + BigInt(size) : undefined };
}
