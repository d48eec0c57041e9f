-- The number up to which commits are not kept any more. Whoever deletes from event_tx deletes what is oldest, and moves it in the same transaction: so a cursor
-- below it is known to have expired, and one that stands before numbers that were only rolled back is not taken for one.
alter table instance add column event_floor bigint not null default 0;
