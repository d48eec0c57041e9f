-- What is still to be called; what has been delivered keeps no host. Texts of webhooks that cannot be read have none.
update delivery d set host = coalesce(mp_delivery_host(d.trigger, d.position, case d.trigger when 4 then b.on_complete when 5 then d.webhook else t.spec end), '')
from delivery x left join task t on t.id = x.task_id join batch b on b.id = x.batch_id where x.id = d.id and d.state <> 2;
-- A way down has kept the hosts of queues in their labels: back, or there would be two of each after the next one.
update queue set host = labels ->> 'host', labels = labels - 'host' where execution = 2 and labels ? 'host';
