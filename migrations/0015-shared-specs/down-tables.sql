update task t set spec = s.spec from shared_spec s where s.batch_id = t.batch_id and s.id = t.spec_id;
alter table task drop column spec_id;
drop table shared_spec;
