-- Appends lines to the logs of attempts: those of several calls, ordered by task; of one task, in the order of the calls. Arrays by call. p_attempts: 0 is the
-- newest. p_lines, p_bytes: how many, and how long the messages are together. p_times, p_levels, p_messages: each an array as text; of times, null where there
-- are none. p_request_ids (each of them once), p_hashes: null where no call has one.
-- A task keeps at most p_lines_max lines of p_bytes_max bytes. What an attempt logs beyond is dropped, from the first line on that does not fit, and
-- counted; the lines of earlier attempts make room for it first.
-- Only the newest attempt is appended to, also when it is over. While it runs, that is a sign of life, written where the last one is older than a second (or a
-- tenth of the inactivity timeout): locks on tasks that run are short of use.
-- Answers by call: the status and the newest attempt of the task (null: there is none), how many lines were kept (null: refused, or answered before), and
-- whether lines of the attempt have been dropped. o_answered, o_hashes, o_answers: the request_ids that were answered before, with the answer's truncated.
create function mp_append_logs(
  p_namespace integer, p_ids bigint[], p_attempts integer[], p_lines integer[], p_bytes integer[], p_times text[], p_levels text[], p_messages text[],
  p_request_ids text[], p_hashes bytea[], p_lines_max integer, p_bytes_max bigint,
  out o_statuses smallint[], out o_attempts integer[], out o_kept integer[], out o_truncated boolean[],
  out o_answered text[], out o_hashes bytea[], out o_answers boolean[]
) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  -- By call: the attempt that it goes to, or null.
  goes integer[];
  firsts integer[];
  kept_bytes integer[];
  crowded bigint[];
begin
  if p_request_ids is not null then
    delete from request where namespace_id = p_namespace and request_id = any (p_request_ids) and create_time < now() - interval '24 hours';
    select array_agg(request_id), array_agg(body_hash), array_agg((result ->> 'truncated')::boolean) into o_answered, o_hashes, o_answers
    from request where namespace_id = p_namespace and request_id = any (p_request_ids);
  end if;

  select array_agg(h.status order by x.n), array_agg(h.attempt order by x.n),
    array_agg(case when h.attempt > 0 and x.attempt in (0, h.attempt) and (x.request_id = any (o_answered)) is not true then h.attempt end order by x.n)
  into o_statuses, o_attempts, goes
  from unnest(p_ids, p_attempts, p_request_ids) with ordinality x(id, attempt, request_id, n)
    left join task t on t.id = any (array[x.id]) and t.namespace_id = p_namespace left join task_state h on h.id = any (array[t.id]);

  update task_state h set activity_time = now_time, prior_status = 0
  from unnest(p_ids, goes) x(id, attempt)
  where h.id = any (array[x.id]) and h.status = 4 and h.attempt = x.attempt
    and coalesce(h.activity_time < now_time - least(1000, h.inactivity_timeout_ms / 10) * interval '1 millisecond', true);

  -- Who forgets logs may take a row away before it is locked.
  loop
    insert into task_log (task_id, begin_time, append_time, attempt)
    select distinct x.id, now_time, now_time, x.attempt from unnest(p_ids, goes) x(id, attempt)
    where x.attempt is not null and not exists (select from task_log l where l.task_id = any (array[x.id]) offset 0)
    order by x.id on conflict do nothing;
    perform from task_log l where l.task_id = any (p_ids) order by l.task_id for update;
    exit when not exists (select from unnest(p_ids, goes) x(id, attempt)
      where x.attempt is not null and not exists (select from task_log l where l.task_id = any (array[x.id]) offset 0));
  end loop;

  -- A next attempt begins: what was dropped of the one before it is written down.
  with next as (
    select distinct on (l.task_id) l.*, x.attempt as next_attempt
    from unnest(p_ids, goes) x(id, attempt) join task_log l on l.task_id = any (array[x.id]) where l.attempt < x.attempt order by l.task_id
  ), told as (
    insert into log_part (task_id, append_time, dropped, attempt, first_line, lines, bytes, levels, messages)
    select task_id, cut_time, dropped, attempt, next_line, 0, 0, '{}', '{}' from next where dropped > 0
  )
  update task_log l set attempt = n.next_attempt, dropped = 0, cut_time = null from next n where l.task_id = any (array[n.task_id]);

  select array_agg(l.task_id order by l.task_id) into crowded
  from (
    select id, max(attempt) as attempt, sum(lines) as lines, sum(bytes) as bytes from unnest(p_ids, goes, p_lines, p_bytes) x(id, attempt, lines, bytes)
    where attempt is not null group by id
  ) x join task_log l on l.task_id = any (array[x.id])
  where l.attempt = x.attempt and l.dropped = 0 and (l.lines + x.lines > p_lines_max or l.bytes + x.bytes > p_bytes_max)
    and exists (select from log_part p where p.task_id = any (array[l.task_id]) and p.attempt < l.attempt and p.lines > 0 offset 0);
  if crowded is not null then
    perform mp_make_room(crowded, now_time);
  end if;

  select array_agg(greatest(x.newest, x.log_attempt) order by x.n),
    array_agg(case when x.is_going then case when x.fits then x.lines else cut.lines end end order by x.n),
    array_agg(case when x.is_going then case when x.fits then x.bytes else cut.bytes end end order by x.n),
    array_agg(x.first_line order by x.n), array_agg(x.is_going and (x.had_dropped or not x.fits) order by x.n)
  into o_attempts, o_kept, kept_bytes, firsts, o_truncated
  from (
    select c.*, (c.next_line + c.lines_before)::integer as first_line, c.lines_before + c.lines <= c.lines_left and c.bytes_before + c.bytes <= c.bytes_left as fits
    from (
      select x.n, x.lines, x.bytes, x.newest, l.attempt as log_attempt, l.next_line, l.dropped > 0 as had_dropped,
        case when l.dropped > 0 then 0 else p_lines_max - l.lines end as lines_left, case when l.dropped > 0 then 0 else p_bytes_max - l.bytes end as bytes_left,
        coalesce(x.attempt = l.attempt, false) as is_going,
        sum(case when x.attempt = l.attempt then x.lines else 0 end) over w - case when x.attempt = l.attempt then x.lines else 0 end as lines_before,
        sum(case when x.attempt = l.attempt then x.bytes else 0 end) over w - case when x.attempt = l.attempt then x.bytes else 0 end as bytes_before
      from unnest(p_ids, goes, p_lines, p_bytes, o_attempts) with ordinality x(id, attempt, lines, bytes, newest, n) left join task_log l on l.task_id = any (array[x.id])
      window w as (partition by x.id order by x.n)
    ) c
  ) x
  -- The one call of a task in which the bound lies: as many of its lines as fit. Of others, no messages are looked at.
  cross join lateral (
    select count(*)::integer as lines, coalesce(max(m.bytes), 0)::integer as bytes
    from (
      select row_number() over m as lines, sum(octet_length(m.message)) over m as bytes
      from unnest(case when x.is_going and not x.fits and x.lines_before < x.lines_left and x.bytes_before <= x.bytes_left then p_messages[x.n]::text[] end)
        with ordinality m(message, n) window m as (order by m.n)
    ) m where x.lines_before + m.lines <= x.lines_left and x.bytes_before + m.bytes <= x.bytes_left
  ) cut;

  insert into log_part (task_id, append_time, attempt, first_line, lines, bytes, times, levels, messages)
  select x.id, now_time, x.attempt, x.first_line, x.kept, x.kept_bytes, x.times::timestamptz[], x.levels::smallint[],
    case when x.kept = x.lines then x.messages::text[] else (x.messages::text[])[1 : x.kept] end
  from unnest(p_ids, goes, firsts, o_kept, kept_bytes, p_lines, p_times, p_levels, p_messages) x(id, attempt, first_line, kept, kept_bytes, lines, times, levels, messages)
  where x.kept > 0;

  update task_log l set append_time = now_time, lines = l.lines + x.kept, bytes = l.bytes + x.bytes, next_line = l.next_line + x.kept,
    dropped = l.dropped + x.lines - x.kept, cut_time = case when x.lines > x.kept then coalesce(l.cut_time, now_time) end
  from (
    select id, sum(kept)::integer as kept, sum(bytes) as bytes, sum(lines) as lines from unnest(p_ids, o_kept, kept_bytes, p_lines) x(id, kept, bytes, lines)
    where kept is not null group by id
  ) x where l.task_id = any (array[x.id]);

  if p_request_ids is not null then
    -- A call with the same request_id that came first makes this transaction fail here.
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    select p_namespace, x.request_id, now(), x.hash, jsonb_build_object('truncated', x.truncated)
    from unnest(p_request_ids, p_hashes, o_kept, o_truncated) x(request_id, hash, kept, truncated)
    where x.request_id is not null and x.kept is not null order by x.request_id;
  end if;
end $$;
