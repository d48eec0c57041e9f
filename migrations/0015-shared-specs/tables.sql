-- What several tasks of a batch, written by one statement, were given alike (their rules, retries, webhooks), once: id is the first task that has it. Tasks that are changed later get a text of their own.
create table shared_spec (
  batch_id bigint not null,
  id bigint not null,
  spec text not null,
  constraint shared_spec_pkey primary key (batch_id, id)
);
-- Whose spec a task has; null: its own, or none.
alter table task add column spec_id bigint;
