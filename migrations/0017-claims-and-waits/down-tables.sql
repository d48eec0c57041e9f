drop table blocked_wait;
-- Who was let in by a claim that is still under way is kept, too.
lock table hold in access exclusive mode;
insert into hold (lane, hold_time, task_ids, due)
select x.lane, h.hold_time, array_agg(x.id), h.due from hold h cross join lateral unnest(h.task_ids, h.lanes) x(id, lane) where h.lanes is not null group by h.id, x.lane, h.hold_time, h.due;
delete from hold where lanes is not null;
alter table hold drop column lanes;
alter table hold alter column task_ids set storage extended;
