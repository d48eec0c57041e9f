-- mp_claim_tasks, as servers of before this migration call it.
create or replace function mp_claim(p_queues integer[], p_max integer, p_workers integer[], p_leases integer[], p_turns jsonb default null, p_strictly boolean default false,
  out o_ids bigint[], out o_attempts integer[], out o_places integer[], out o_more boolean, out o_turns jsonb)
language plpgsql as $$
begin
  select c.o_ids, c.o_attempts, c.o_places, c.o_more, c.o_turns into o_ids, o_attempts, o_places, o_more, o_turns
  from mp_claim_tasks(p_queues, p_max, p_workers, p_leases, p_turns, p_strictly) c;
end $$;
