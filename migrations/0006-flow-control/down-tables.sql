create table holder (
  task_id bigint not null,
  lane bigint not null,
  amount bigint not null,
  hold_time timestamptz not null,
  constraint holder_pkey primary key (task_id)
) with (fillfactor = 80);
create index holder_lane on holder (lane, hold_time, task_id);
insert into holder (task_id, lane, amount, hold_time) select id, held_lane, coalesce(held_amount, 0), claim_time from task_state where status in (3, 4) and held_lane is not null;
-- Where there was room for thousands, it was left out.
update ready r set lane = s.lane from task_state s where s.id = r.id and s.lane is not null;
drop table hold;
alter table ready drop constraint ready_pkey;
alter table ready drop column flow;
alter table ready add constraint ready_pkey primary key (queue, rank, id);
alter table parked drop column flow;
-- Lanes that differed in who takes turns stay apart. Nobody finds them any more: their numbers may be others' when turns come back.
update lane set digest = digest || ' of ' || id where flow <> 0;
alter table lane drop column flow;
alter table task_state drop column flow, drop column held_lane, drop column held_amount;
drop table fair_queue, flow, rule_change;
alter table namespace drop column weight;
drop type mp_moves;
