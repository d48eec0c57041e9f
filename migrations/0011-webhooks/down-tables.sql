drop index delivery_exhausted;
drop index delivery_due;
create index delivery_due on delivery (due) where state = 1;
alter table delivery drop column host;
alter table namespace drop column webhook_secret, drop column previous_webhook_secret;
-- Queues that differ in their host only stay apart by their labels, which nobody asks of webhooks.
update queue set labels = labels || jsonb_build_object('host', host) where host <> '';
drop index queue_natural_key;
alter table queue drop column host;
create unique index queue_natural_key on queue (namespace_id, kind, execution, md5(labels::text));
