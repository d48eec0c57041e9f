-- The schema of a freshly migrated database.
-- Written by `npm run schema`: to change it, add a migration and run that again.

create schema other;

create type color as enum ('red', 'green');

create domain positive as integer constraint above_zero CHECK (VALUE > 0);

create sequence parent_serial_no_seq as bigint increment 1 minvalue 1 maxvalue 9223372036854775807 start 1 cache 1 owned by parent.serial_no;

create sequence plain_seq as bigint increment 5 minvalue 1 maxvalue 9223372036854775807 start 1 cache 10;

create table log (
  at timestamp with time zone not null,
  line text,
  constraint log_pkey PRIMARY KEY (at)
) partition by RANGE (at);

create table log_first partition of log FOR VALUES FROM (MINVALUE) TO (MAXVALUE) with (
  fillfactor = 90
);

create unlogged table other.child (
  parent_id bigint not null,
  constraint child_parent_fk FOREIGN KEY (parent_id) REFERENCES parent(id) ON DELETE CASCADE DEFERRABLE
);
CREATE INDEX child_parent_idx ON other.child USING btree (parent_id) WHERE parent_id > 0;

create table parent (
  id bigint not null generated always as identity,
  serial_no bigint not null default nextval('parent_serial_no_seq'::regclass),
  name text collate "C" storage external not null default 'x'::text /* statistics 200 */,
  shade color,
  amount positive,
  doubled bigint generated always as (serial_no * 2) stored,
  constraint parent_pkey PRIMARY KEY (id) with (fillfactor=80),
  constraint name_short CHECK (length(name) < 100)
) with (
  fillfactor = 50,
  toast.autovacuum_enabled = false
);
comment on table parent is 'it''s a parent';
CREATE TRIGGER parent_touch BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION touch();
comment on column parent.name is 'what it is called';

create view one as
 SELECT 1 AS id;

CREATE OR REPLACE PROCEDURE public.act(IN n integer)
 LANGUAGE sql
AS $procedure$select 1$procedure$;

CREATE OR REPLACE FUNCTION public.touch()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$ begin return new; end $function$;
comment on routine touch() is 'does nothing';
