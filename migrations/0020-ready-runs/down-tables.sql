-- What is created or claimed by a transaction that is still under way is kept, too.
lock table ready_run in access exclusive mode;
insert into ready (queue, rank, flow, id, lane)
select r.queue, r.rank, 0, r.id + n, null from ready_run r cross join lateral generate_series(0, r.tasks - 1) n on conflict do nothing;
drop view ready_task;
drop table ready_run;
