import type { Client } from "pg";
import { withClient } from "./template-database.ts";

/** A law of the tables: its query answers one line of text per offender. */
interface Law {
  readonly name: string;
  readonly offenders: string;
}

const statuses = "waiting pending claimed running paused success failure canceled skipped".split(" ");
const legalMoves = [
  "1-2 1-5 1-6 1-7 1-8 1-9", // a task that waits: may start, is held, is a join that is done, is brought down, canceled, skipped
  "2-1 2-3 2-4 2-5 2-6 2-7 2-8", // one that may start: waits again, is called, taken, held, a delayed join is done, took too long, canceled
  "3-2 3-4 3-6 3-7 3-8 4-2 4-6 4-7 4-8", // one that is owned: given back or to be repeated, started, ended
  "5-1 5-2 5-6 5-7 5-8 5-9", // one that is held: let go, a join that is done, brought down, canceled, skipped
  "6-1 6-2 6-6 7-1 7-2 7-6 8-1 8-2 8-6 9-1 9-2 9-6", // one that has ended: runs again
].join(" ");

/** Every edge, as its child tells it: condition 1 SUCCESS, 2 COMPLETED, 3 FAILURE. */
const edge = `edge as (
  select t.id child, p.parent, coalesce(t.parent_conditions[p.n], 1::smallint) condition
  from task t, unnest(t.parents) with ordinality p(parent, n))`;

/** Every change of a status, creations included, with its place in the feed. */
const change = `change as (
  select task_id, from_status f, to_status t, type, attempt, row_number() over (order by seq, index) place, batch_id
  from event_change where type in (1, 2, 3, 7))`;

const laws: readonly Law[] = [
  {
    name: "the counters of a batch are what counting its tasks gives",
    offenders: `select format('batch %s holds %s, its tasks make %s', b.batch_id, b.held, t.made)
      from (select batch_id, row(total, ${statuses.join(", ")}, success_count, failure_count)::text held from batch_state) b
      left join lateral (select row(count(*), ${statuses.map((_, n) => `count(*) filter (where status = ${n + 1})`).join(", ")},
        coalesce(sum(success_count), 0), coalesce(sum(failure_count), 0))::text made from task_state h where h.batch_id = b.batch_id) t on true
      where held <> made`,
  },
  {
    name: "a batch has ended exactly when it is closed and all of its tasks have",
    offenders: `select format('batch %s: status %s, open %s, %s unfinished, end %s', b.batch_id, b.status, b.open, u.n, b.end_time)
      from batch_state b join batch on batch.id = b.batch_id
      cross join lateral (select count(*) n from task_state h where h.batch_id = b.batch_id and h.status < 6) u
      where (b.status >= 3) <> (u.n = 0 and not b.open) or (b.status >= 3) <> (b.end_time is not null)
        or b.status <> case when b.status < 3 then b.status when batch.stop_reason is not null then 5 when b.failure > 0 then 4
          when b.canceled > 0 then 5 else 3 end`,
  },
  {
    name: "deps_left of a waiting task is the number of its parents that have not ended, and is not zero",
    offenders: `with ${edge}, unfinished as (
        select e.child, count(*) n from edge e join task_state p on p.id = e.parent where p.status < 6 group by e.child)
      select format('task %s: deps_left %s, %s parents unfinished', c.id, c.deps_left, coalesce(u.n, 0))
      from task_state c left join unfinished u on u.child = c.id
      where (c.status = 1 or (c.status = 5 and c.deps_left > 0)) and (c.deps_left <> coalesce(u.n, 0) or (c.status = 1 and u.n is null))`,
  },
  {
    name: "a waiting task has no parent that has made it impossible",
    offenders: `with ${edge} select format('task %s waits, although its parent %s ended as %s', c.id, p.id, p.status)
      from edge e join task_state c on c.id = e.child join task_state p on p.id = e.parent where c.status in (1, 5)
        and ((e.condition = 1 and p.status in (7, 8) and c.unmet_policy <> 2) or (e.condition = 3 and p.status = 6 and c.unmet_policy = 1))`,
  },
  {
    name: "an edge from a parent that has not ended is known to the parent, once, with its condition",
    offenders: `with ${edge}, down as (
        select t.id parent, c.child, coalesce(t.child_conditions[c.n], 1::smallint) condition from task t, unnest(t.children) with ordinality c(child, n)
        union all select parent, child, condition from edge_late)
      select format('edge %s -> %s: the parent knows it %s times', e.parent, e.child, d.n) from edge e join task_state p on p.id = e.parent
        cross join lateral (select count(*) n from down d where d.parent = e.parent and d.child = e.child and d.condition = e.condition) d
      where p.status < 6 and d.n <> 1`,
  },
  {
    name: "ready (or parked, of a held batch; or blocked, by rules) holds what is pending and nothing else; what is pending and not there has a timer for its start time",
    offenders: `select format('task %s: status %s, in ready %s times, delayed %s', h.id, h.status, r.n, coalesce(d.n, 0))
      from task_state h
      cross join lateral (select count(*) n from (
        select from ready r where r.id = h.id and r.queue = h.queue and r.rank = -h.priority and r.flow = coalesce(h.flow, 0)
        union all select from ready_run r where h.id between r.id and r.id + r.tasks - 1 and r.queue = h.queue and r.rank = -h.priority
        union all select from parked k where k.batch_id = h.batch_id and k.id = h.id and k.queue = h.queue and k.rank = -h.priority and k.flow = coalesce(h.flow, 0)
        union all select from blocked b where b.lane = h.lane and b.id = h.id and b.rank = -h.priority and b.batch_id = h.batch_id) x) r
      left join (select x.id, x.attempt, count(*) n from timer t, unnest(t.task_ids, t.attempts) x(id, attempt) group by x.id, x.attempt) d
        on d.id = h.id and d.attempt = h.attempt and h.start_time is not null
      where h.status = 2 and case when r.n = 0 then d.n is null else r.n > 1 end
      union all select format('parked holds task %s of batch %s, which is %s, batch %s', k.id, k.batch_id, h.status, b.status)
      from parked k left join task_state h on h.id = k.id left join batch_state b on b.batch_id = k.batch_id
      where h.status is distinct from 2 or b.status is distinct from 2
      union all select format('ready holds task %s, which is %s', r.id, h.status) from ready_task r left join task_state h on h.id = r.id
      where h.status is distinct from 2 or h.queue <> r.queue or -h.priority <> r.rank or h.execution = 3 or r.flow <> coalesce(h.flow, 0) or h.lane <> r.lane or (h.lane is null and r.lane is not null)
      union all select format('a row of ready_run holds task %s, which has rules, a fairness_key or a start time', h.id) from ready_run r join task_state h on h.id between r.id and r.id + r.tasks - 1
      where h.lane is not null or h.flow is not null or h.start_time is not null
      union all select format('blocked holds task %s, which is %s', b.id, h.status) from blocked b left join task_state h on h.id = b.id
      where h.status is distinct from 2 or h.lane is distinct from b.lane or -h.priority <> b.rank`,
  },
  {
    name: "what is taken of a key is what its holders hold, or the starts of its window",
    offenders: `with held as (
        select k.key, sum(case k.type when 1 then 1 when 2 then h.held_amount else 0 end) n
        from task_state h join lane l on l.id = h.held_lane cross join lateral unnest(l.keys, l.types) k(key, type) where h.status in (3, 4) group by k.key)
      select format('key %s: %s taken, %s held, %s starts', u.key_id, u.in_use, coalesce(held.n, 0), s.n) from rule_usage u left join held on held.key = u.key_id
      cross join lateral (select coalesce(sum(s.starts), 0)::bigint n from rate_start s where s.key_id = u.key_id) s
      where u.in_use <> coalesce(held.n, 0) + s.n`,
  },
  {
    name: "who holds slots is being executed, and who is executed under rules holds them",
    offenders: `select format('task %s of lane %s is %s, and holds nothing', h.id, h.lane, h.status) from task_state h
        where h.status in (3, 4) and h.lane is not null and h.edits = 0 and h.held_lane is distinct from h.lane
      union all select format('task %s holds slots of lane %s, and nobody who asks for its holders is told', h.id, h.held_lane) from task_state h
        where h.status in (3, 4) and h.held_lane is not null and 1 <> (
          select count(*) from hold d where d.hold_time = h.claim_time and (
            (d.lane = h.held_lane and h.id = any (d.task_ids)) or (d.lane = 0 and exists (select from unnest(d.task_ids, d.lanes) x(id, lane) where x.id = h.id and x.lane = h.held_lane))))
      union all select format('task %s of lane %s with a rule of capacity holds no amount, or another one', h.id, h.held_lane) from task_state h
        join lane l on l.id = h.held_lane where h.status in (3, 4) and l.has_capacity <> (h.held_amount is not null)`,
  },
  {
    name: "nothing is blocked for which there is room, but by a rate, whose window opens by itself, or behind what is offered of the same key",
    offenders: `select format('lane %s: %s blocked, %s offered, room for %s, less what others of its keys are offered', l.id, b.n, r.n, f.room) from lane l
      cross join lateral (select count(*) n from blocked b where b.lane = l.id) b cross join lateral (select count(*) n from ready_task r where r.lane = l.id) r
      cross join lateral (
        select min(k.bound - u.in_use) room, min(k.bound - u.in_use - (select count(*) from ready_task o join lane ol on ol.id = o.lane where ol.queue = l.queue and k.key = any (ol.keys))) left_over
        from unnest(l.keys, l.bounds) k(key, bound) join rule_usage u on u.key_id = k.key) f
      where not l.has_capacity and 3 <> all (l.types) and b.n > 0 and f.left_over > 0 and (r.n = 0 or 1000 >= all (l.bounds))`,
  },
  {
    name: "a timer looks after every attempt that somebody owns",
    offenders: `select format('task %s attempt %s is %s without a timer', h.id, h.attempt, h.status) from task_state h where h.status in (3, 4)
      and (h.id, h.attempt) not in (select x.id, x.attempt from timer t, unnest(t.task_ids, t.attempts) x(id, attempt))`,
  },
  {
    name: "a timer looks after every total timeout",
    offenders: `select format('task %s has no timer for its total timeout', h.id) from task_state h where h.status < 6 and h.total_deadline is not null
      and h.id not in (select x.id from timer t, unnest(t.task_ids, t.attempts) x(id, attempt) where x.attempt = -1)`,
  },
  {
    name: "the batches that are held are those that are PAUSED",
    offenders: `select format('batch %s: status %s, held %s', b.batch_id, b.status, p.batch_id is not null)
      from batch_state b full join paused_batch p on p.batch_id = b.batch_id where (b.status = 2) is distinct from (p.batch_id is not null)`,
  },
  {
    name: "a batch and a task that has ended have their webhooks called: a row for each, for each end",
    offenders: `with ${change}, told as (select task_id, trigger, count(*) n from delivery where position >= 0 and task_id <> 0 and webhook is null group by task_id, trigger),
        ends as (select task_id, t, count(*) n from change where t between 6 and 8 group by task_id, t)
      select format('task %s ended %s times as %s, with %s of %s webhooks', e.task_id, e.n, e.t, coalesce(d.n, 0), e.n * ((h.notifies >> ((e.t - 6) * 5)) & 31))
      from ends e join task_state h on h.id = e.task_id left join told d on d.task_id = e.task_id and d.trigger = e.t - 5
      where e.t <> 8 and coalesce(d.n, 0) <> e.n * ((h.notifies >> ((e.t - 6) * 5)) & 31)
      union all select format('batch %s ended %s times, with %s of %s webhooks', b.batch_id, x.n, coalesce(d.n, 0), x.n * b.on_complete) from batch_state b
      cross join lateral (select count(*) n from event_change e
        where b.on_complete > 0 and e.batch_id = b.batch_id and e.type = 5 and e.to_status > 2) x
      left join (select batch_id, count(*) n from delivery where trigger = 4 group by batch_id) d on d.batch_id = b.batch_id
      where b.on_complete > 0 and coalesce(d.n, 0) <> x.n * b.on_complete`,
  },
  {
    name: "a task has a time of end, and none of a lease, when it has ended",
    offenders: `select format('task %s: status %s, end %s, lease %s', id, status, end_time, lease_until) from task_state
      where (status >= 6) <> (end_time is not null) or (status not in (3, 4) and lease_until is not null)`,
  },
  {
    name: "the changes of a task are a chain from its creation to its present status, of legal moves",
    offenders: `with ${change}, link as (
        select task_id, f, t, type, attempt, lag(t, 1, 0::smallint) over w came_to, lag(attempt, 1, 0) over w was, lag(type) over w before,
          lead(place) over w is null last from change window w as (partition by task_id order by place))
      select format('task %s: %s -> %s attempt %s after %s attempt %s', task_id, f, t, attempt, came_to, was) from link
      where f <> came_to or (type = 1) <> (before is null) or attempt <> was + case when t in (3, 4) and f = 2 then 1 else 0 end
        or (type <> 1 and concat(f, '-', t) <> all (string_to_array('${legalMoves}', ' ')))
      union all select format('task %s ended its history as %s attempt %s, and is %s attempt %s', h.id, l.t, l.attempt, h.status, h.attempt)
      from task_state h left join link l on l.task_id = h.id and l.last where (l.t, l.attempt) is distinct from (h.status, h.attempt)`,
  },
  {
    name: "the changes of a batch are a chain to its present status",
    offenders: `with changed as (
        select batch_id, from_status f, to_status t, row_number() over (order by seq, index) place from event_change where type = 5),
      link as (select *, lag(t) over w came_to, lead(place) over w is null last from changed window w as (partition by batch_id order by place))
      select format('batch %s: %s -> %s after %s', batch_id, f, t, came_to) from link where f <> coalesce(came_to, case when f = 0 then 0 else 1 end)
      union all select format('batch %s ended its history as %s and is %s', b.batch_id, l.t, b.status)
      from batch_state b left join link l on l.batch_id = b.batch_id and l.last where coalesce(l.t, 1) <> b.status`,
  },
  {
    name: "no effect stands in the feed before its cause",
    offenders: `with ${edge}, ${change}, ended as (select task_id, t, place from change where t >= 6),
        released as (select task_id, min(place) place, (array_agg(t order by place))[1] t from change where f = 1 and t in (2, 6, 9) group by task_id)
      select format('task %s went on to %s before its parent %s ended', r.task_id, r.t, e.parent)
      from released r join edge e on e.child = r.task_id
        left join (select task_id, min(place) place from ended group by task_id) p on p.task_id = e.parent where p.place is null or p.place > r.place
      union all select format('task %s was brought down before any of its parents', d.task_id)
      from change d join task_state h on h.id = d.task_id where d.f = 1 and d.t = 7 and h.total_deadline is null and not exists (
        select from edge e join ended p on p.task_id = e.parent
        where e.child = d.task_id and p.place < d.place and ((e.condition = 1 and p.t in (7, 8)) or (e.condition = 3 and p.t = 6)))
      union all select format('batch %s ended before its task %s', b.batch_id, c.task_id)
      from (select batch_id, seq, index k, lead(seq) over w next_seq, lead(index) over w next_k, to_status t from event_change where type = 5
          window w as (partition by batch_id order by seq, index)) b
        join (select batch_id, task_id, seq, index k from event_change where type in (1, 2, 3, 7)) c
        on c.batch_id = b.batch_id and b.t >= 3 and (c.seq, c.k) > (b.seq, b.k) and (b.next_seq is null or (c.seq, c.k) < (b.next_seq, b.next_k))`,
  },
  {
    name: "a task that was released had every condition of its dependencies met, and one that was not had a reason",
    offenders: `with ${edge}, verdict as (
        select e.child, bool_or(e.condition <> 2 and p.status = 9) or bool_or(e.condition = 1 and p.status in (7, 8)) or bool_or(e.condition = 3 and p.status = 6) unmet,
          bool_or(e.condition = 1 and p.status in (7, 8) and c.unmet_policy <> 2) or bool_or(e.condition = 3 and p.status = 6 and c.unmet_policy = 1) down
        from edge e join task_state p on p.id = e.parent join task_state c on c.id = e.child group by e.child)
      select format('task %s is %s (attempt %s); unmet %s, must fail %s', h.id, h.status, h.attempt, v.unmet, v.down)
      from task_state h join verdict v on v.child = h.id
      where not exists (select from task_state p join task t on t.id = h.id where p.id = any (t.parents) and p.edits > 0) and h.edits = 0 and h.total_deadline is null
        and ((v.unmet and (h.status in (2, 3, 4, 6) or h.attempt > 0)) or (h.status = 9 and (v.down or not v.unmet)) or (h.status = 7 and h.attempt = 0 and not v.down))`,
  },
  {
    name: "a log holds what its calls have left in it, whole, without gaps, within an attempt that has been",
    offenders: `with part as (
        select p.*, (select coalesce(sum(octet_length(m)), 0) from unnest(p.messages) m) as long,
          lag(first_line + lines) over (partition by task_id order by first_line, attempt) as expected
        from log_part p where dropped is null)
      select format('log of task %s: %s lines of %s bytes, parts make %s of %s', task_id, l.lines, l.bytes, p.lines, p.bytes)
      from task_log l full join (
        select task_id, sum(lines) as lines, sum(long) as bytes, max(first_line + lines) as next, bool_and(lines = cardinality(messages) and bytes = long
          and first_line = coalesce(expected, first_line)) as is_whole, max(attempt) as attempt from part group by task_id) p using (task_id)
      left join task_state h on h.id = task_id
      where l.lines is distinct from coalesce(p.lines, 0) or l.bytes is distinct from coalesce(p.bytes, 0) or p.next > l.next_line or not p.is_whole
        or p.attempt > l.attempt or l.attempt > h.attempt or h.id is null or (l.dropped > 0) <> (l.cut_time is not null)
      union all select format('task %s has logged without a log', task_id) from log_part p where not exists (select from task_log l where l.task_id = p.task_id)`,
  },
];

/** The broken laws, with their first offenders, as a transaction of the client sees the tables. */
export async function findBrokenLaws(client: Client): Promise<string[]> {
  const broken: string[] = [];
  for (const { name, offenders } of laws) {
    const { rows } = await client.query<[string]>({ text: offenders, rowMode: "array" });
    if (rows.length > 0) broken.push(`${name}: ${rows.length} broken\n${rows.slice(0, 5).join("\n")}`);
  }
  return broken;
}

/**
 * Proves the laws that hold between any two transactions, from one snapshot of a database: at any time, also under load.
 * Throws with the name of each broken law and its first offenders.
 */
export async function checkInvariants(databaseUrl: string): Promise<void> {
  const broken = await withClient(databaseUrl, async (client) => {
    await client.query("begin isolation level repeatable read read only");
    // What the laws compare has no statistics: with thousands of changes, a loop over all pairs takes many seconds.
    await client.query("set local enable_nestloop = off; set local jit = off");
    return findBrokenLaws(client);
  });
  if (broken.length > 0) throw new Error(broken.join("\n\n"));
}
