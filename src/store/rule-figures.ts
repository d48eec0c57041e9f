import type { Database, Statement } from "./database.ts";

/** How many names of rules, and pairs of a name and a kind, figures are told of. */
export const ruleNamesMax = 100;

/** What rules hold up and what is taken of their keys, at one moment, over all servers. */
export interface RuleFigures {
  /** Tasks that are blocked, by name and kind of the rule whose key has no room; of most tasks first. A task that several keys block counts for each. */
  readonly blocked: readonly { readonly rule: string; readonly kind: string; readonly tasks: number }[];
  /** What is taken of the keys of each rule's name; names with most blocked tasks first. */
  readonly usage: readonly { readonly rule: string; readonly taken: number }[];
  /** The sum over keys of what they say is taken less what is held and what has started, without its sign. */
  readonly drift: number;
  /** How long the task that has been blocked longest is; 0: none is. */
  readonly oldestSeconds: number;
}

/** The figures of a server without rules. */
export const noRuleFigures: RuleFigures = { blocked: [], usage: [], drift: 0, oldestSeconds: 0 };

/**
 * One statement, so one snapshot: what is under way is seen whole or not at all. Only lanes that hold or wait are looked at; of keys with starts in their windows,
 * the names of the newest lanes.
 */
const figuresStatement: Statement = {
  name: "rule_figures",
  text: `with waits as materialized (
      select b.lane, count(*) n, min(b.block_time) since from blocked b group by b.lane
    ), holds as materialized (
      select s.held_lane lane, count(*) n, coalesce(sum(s.held_amount), 0) amount from hold h cross join lateral (
        select q.held_lane, q.held_amount from task_state q where q.id = any (h.task_ids) and q.status in (3, 4) and q.claim_time = h.hold_time offset 0) s group by s.held_lane
    ), starts as materialized (
      select s.key_id, sum(s.starts) n from rate_start s group by s.key_id
    ), active as materialized (
      select x.lane, sum(x.n)::bigint waiting from (
        select w.lane, w.n from waits w union all select h.lane, 0 from holds h
        union all select l.lane, 0 from starts s cross join lateral (select k.lane from lane_key k where k.key_id = s.key_id order by k.lane desc limit $1) l
      ) x group by x.lane
    ), pair as materialized (
      select k.key, k.rule, k.bound, k.window_ms, sum(a.waiting)::bigint waiting from active a join lane l on l.id = any (array[a.lane])
        cross join lateral unnest(l.keys, l.rules, l.bounds, l.windows) k(key, rule, bound, window_ms) group by k.key, k.rule, k.bound, k.window_ms
    ), full_key as (
      select p.key, p.rule, p.bound, p.waiting, mp_taken(p.key, p.window_ms, u.in_use, clock_timestamp()) taken
      from pair p join rule_usage u on u.key_id = any (array[p.key])
    ), by_key as materialized (
      select r.name, r.kind, f.key, max(f.taken) taken, sum(case when f.taken >= f.bound then f.waiting else 0 end) tasks
      from full_key f join rule r on r.id = any (array[f.rule]) group by r.name, r.kind, f.key
    ), named as (
      select name rule, sum(taken) taken from by_key group by name order by sum(tasks) desc, sum(taken) desc, name limit $1
    ), kinds as (
      select name rule, kind, sum(tasks) tasks from by_key where tasks > 0 group by name, kind order by sum(tasks) desc, name, kind limit $1
    ), drift as (
      select abs(sum(x.n)) n from (
        select u.key_id, u.in_use n from rule_usage u where u.in_use <> 0
        union all select s.key_id, -s.n from starts s
        union all select k.key, -case k.type when 1 then h.n when 2 then h.amount else 0 end
        from holds h join lane l on l.id = any (array[h.lane]) cross join lateral unnest(l.keys, l.types) k(key, type)
      ) x group by x.key_id
    )
    select coalesce((select json_agg(kinds) from kinds), '[]') blocked, coalesce((select json_agg(named) from named), '[]') usage,
      coalesce((select sum(n) from drift), 0)::float8 drift,
      coalesce((select greatest(extract(epoch from clock_timestamp() - min(since)), 0) from waits), 0)::float8 "oldestSeconds"`,
};

const takeWaitsStatement: Statement = {
  name: "take_blocked_waits",
  text: "delete from blocked_wait where id = any (array(select id from blocked_wait order by id limit $1 for update skip locked)) returning waits_ms",
};

/** Takes away how long tasks were blocked that have been offered, in milliseconds: so many rows at most, of up to a thousand tasks each. Each is told once, over all servers. */
export async function takeBlockedWaits(
  db: Pick<Database, "write">,
  max: number,
): Promise<readonly (readonly number[])[]> {
  return (await db.write<{ waits_ms: number[] }>(takeWaitsStatement, [max])).map((row) => row.waits_ms);
}

/** Reads the figures of rules. It takes time with what is held, waited for and limited: some milliseconds for ten thousand tasks. */
export async function readRuleFigures(db: Pick<Database, "read">): Promise<RuleFigures> {
  return (await db.read<RuleFigures>(figuresStatement, [ruleNamesMax]))[0] ?? noRuleFigures;
}
