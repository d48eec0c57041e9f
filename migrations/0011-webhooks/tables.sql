-- Webhooks by host, so that one that is slow or away holds up nobody else's; and the secrets that they are signed with.

-- Where the start webhooks of a queue lead, as mp_call_host says; empty: no webhooks, or those of a database that did not tell them apart yet.
alter table queue add column host text not null default '';
drop index queue_natural_key;
create unique index queue_natural_key on queue (namespace_id, kind, execution, md5(labels::text), md5(host));

-- Calls are signed with both, as Standard Webhooks say; the previous one is there while receivers change over to the new one.
alter table namespace
  add column webhook_secret bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  add column previous_webhook_secret bytea;

-- Compared byte by byte: claims go from host to host.
alter table delivery add column host text collate "C" not null default '';
drop index delivery_due;
create index delivery_due on delivery (host, due) where state = 1;
create index delivery_exhausted on delivery (host, id) where state = 3;
