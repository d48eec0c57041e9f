import type { RuleHolder, UnmetDependency } from "../domain/blocker.ts";
import type { Rule } from "../domain/rule.ts";
import type { Micros } from "../domain/task.ts";
import type { Database, Statement } from "./database.ts";

/** Reads rows as one moment has them. */
export type Read = Database["read"];

const parentsStatement: Statement = {
  name: "unmet_parents",
  text: `select p.parent id, t.key, p.status, p.condition, count(*) over () "unmetCount",
      (select count(*) from mp_parents(array[$1::bigint])) "totalCount"
    from mp_parents(array[$1::bigint]) p join task t on t.id = any (array[p.parent]) where p.status < 6 order by p.parent limit $2`,
};

/** Parents that have not ended, by id, at most `max`; with how many there are, and how many dependencies in all. */
export async function unmetParents(
  read: Read,
  id: bigint,
  max: number,
): Promise<{ parents: UnmetDependency[]; unmetCount: bigint; totalCount: bigint }> {
  const rows = await read<UnmetDependency & { unmetCount: bigint; totalCount: bigint }>(parentsStatement, [id, max]);
  const { unmetCount = 0n, totalCount = 0n } = rows[0] ?? {};
  return { parents: rows.map(({ unmetCount: _u, totalCount: _t, ...parent }) => parent), unmetCount, totalCount };
}

const heldStatement: Statement = {
  name: "batch_is_held",
  text: "select exists (select from paused_batch where batch_id = $1) held",
};

/** Whether a batch is held. */
export async function batchIsHeld(read: Read, batchId: bigint): Promise<boolean> {
  return (await read<{ held: boolean }>(heldStatement, [batchId]))[0]?.held ?? false;
}

/** A rule that does not let a task in, as it stands. */
export interface FullRule {
  readonly keyId: bigint;
  readonly rule: Rule;
  readonly key: string;
  readonly inUse: bigint;
  readonly queuePosition: bigint;
  readonly freeTime: Micros | null;
}

/** The place in a queue counts those in front in all lanes of the key. */
const fullRulesStatement: Statement = {
  name: "full_rules",
  text: `select k.key "keyId", r.name, r.kind, r.fields, r.type, r.bound, r.window_ms "windowMs", n.key, k.taken "inUse",
      (select min(s.start_time) + r.window_ms * interval '1 millisecond' from rate_start s
        where s.key_id = k.key and s.start_time > clock_timestamp() - r.window_ms * interval '1 millisecond') "freeTime",
      1 + (select count(*) from lane_key o join blocked b on b.lane = o.lane where o.key_id = k.key and (b.rank, b.id) < (k.rank, k.id)) "queuePosition"
    from (
      select k.key, k.rule, k.bound, h.id, -h.priority as rank, mp_taken(k.key, k.window_ms, u.in_use, clock_timestamp()) taken
      from task_state h join lane l on l.id = h.lane cross join lateral unnest(l.keys, l.rules, l.bounds, l.windows) k(key, rule, bound, window_ms)
        join rule_usage u on u.key_id = k.key where h.id = $1
    ) k join rule r on r.id = k.rule join rule_key n on n.id = k.key where k.taken >= k.bound order by k.key`,
};

/** The rules of a task whose keys have no room. */
export async function fullRules(read: Read, id: bigint): Promise<FullRule[]> {
  interface Row extends Omit<Rule, "windowMs">, Omit<FullRule, "rule"> {
    readonly windowMs: bigint;
  }
  const rows = await read<Row>(fullRulesStatement, [id]);
  return rows.map(({ keyId, key, inUse, queuePosition, freeTime, windowMs, ...rule }) => ({
    ...{ keyId, key, inUse, queuePosition, freeTime },
    rule: { ...rule, windowMs: Number(windowMs) },
  }));
}

const holdersStatement: Statement = {
  name: "rule_holders",
  text: `select h.id "taskId", case when k.type = 2 then h.held_amount else 1 end::bigint amount, h.hold_time "holdTime"
    from rule_key k cross join lateral (
      select s.id, s.held_amount, s.hold_time from lane_key l cross join lateral (
        select s.id, s.held_amount, h.hold_time from (
          select h.hold_time, h.task_ids from hold h where h.lane = l.lane order by h.hold_time, h.id offset 0
        ) h cross join lateral (
          select q.id, q.held_amount from unnest(h.task_ids) x(id) cross join lateral (
            select q.id, q.held_amount from task_state q where q.id = x.id and q.status in (3, 4) and q.claim_time = h.hold_time offset 0) q order by q.id offset 0
        ) s limit $2
      ) s where l.key_id = k.id
      union all
      select q.id, q.held_amount, h.hold_time from hold h cross join lateral unnest(h.task_ids, h.lanes) x(id, lane)
        cross join lateral (select from lane_key l where l.key_id = $1 and l.lane = x.lane offset 0) l
        cross join lateral (select q.id, q.held_amount from task_state q where q.id = x.id and q.status in (3, 4) and q.claim_time = h.hold_time offset 0) q
      where h.lane = 0
    ) h where k.id = $1 and k.type <> 3 order by h.hold_time, h.id limit $2`,
};

/** Who holds a key, by the time at which they were let in, at most `max`. */
export function ruleHolders(read: Read, keyId: bigint, max: number): Promise<RuleHolder[]> {
  return read<RuleHolder>(holdersStatement, [keyId, max]);
}

const aheadStatement: Statement = {
  name: "tasks_ahead",
  text: `with own as (
      select coalesce(h.flow, 0) flow, coalesce(f.weight, 1) weight, ((select count(*) from (
        select from ready r where r.queue = $1 and r.rank = $2 and r.flow = coalesce(h.flow, 0) and r.id < h.id limit $4) r) + case when h.flow is null then coalesce((
        select sum(least(r.tasks, h.id - r.id)) from (
          select r.id, r.tasks from ready_run r where r.queue = $1 and r.rank = $2 and r.id < h.id order by r.id limit $4) r), 0) else 0 end)::bigint before
      from task_state h left join flow f on f.id = h.flow where h.id = $3
    )
    select (select count(*) from (select from ready r where r.queue = $1 and r.rank < $2 limit $4) r)
      + coalesce((select sum(r.tasks) from (select r.tasks from ready_run r where r.queue = $1 and r.rank < $2 order by r.rank, r.id limit $4) r), 0) + own.before + coalesce((
      select sum((select count(*) from (
        select from ready r where r.queue = $1 and r.rank = $2 and r.flow = n.flow limit (least(own.before, $4) / own.weight + 1) * coalesce(f.weight, 1)) r))
      from mp_next_flows(array[$1::integer], $2::smallint, 0, $4::integer) n left join flow f on f.id = n.flow where n.flow <> own.flow), 0)::bigint ahead
    from own`,
};

/** How many tasks come before one in its queue, counted up to `max` of higher priority, and of its fairness key; of other keys, as many as have their turns before. */
export async function tasksAhead(
  read: Read,
  task: { readonly queue: number; readonly priority: number; readonly id: bigint },
  max: number,
): Promise<bigint> {
  return (await read<{ ahead: bigint }>(aheadStatement, [task.queue, -task.priority, task.id, max]))[0]?.ahead ?? 0n;
}
