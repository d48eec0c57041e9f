#!/bin/sh
# Creates a graph of three tasks, works it off and shows how it ended: with nothing but curl.
# The server is that of MILLPOND_ADDRESS, or http://127.0.0.1:8085.
set -eu

# snippet: setup
address=${MILLPOND_ADDRESS:-http://127.0.0.1:8085}
# call Service/Method JSON: a Connect call, which is a POST of JSON.
call() { curl -sS --fail-with-body "$address/millpond.v1.$1" -H 'content-type: application/json' -d "$2"; }
# text FIELD JSON: the first value of that name, without a JSON parser. Empty if there is none.
text() { rest=${2#*\""$1"\":\"}; if [ "$rest" != "$2" ]; then echo "${rest%%\"*}"; fi; }
# end: setup

# snippet: create
created=$(call TaskService/CreateTasks '{
  "new_batch": {"name": "first graph"},
  "tasks": [
    {"key": "fetch", "name": "Fetch", "kind": "first-graph.sh", "input": {"file": "a.txt"}},
    {"key": "count", "name": "Count", "kind": "first-graph.sh", "dependencies": [{"key": "fetch"}]},
    {"key": "tidy",  "name": "Tidy",  "kind": "first-graph.sh",
     "dependencies": [{"key": "count", "condition": "DEPENDENCY_CONDITION_COMPLETED"}]}
  ]}')
batch=$(text batchId "$created")
# end: create

# snippet: work
while
  status=$(text status "$(call BatchService/GetBatch "{\"batch_id\": \"$batch\"}")")
  [ "$status" = BATCH_STATUS_ACTIVE ]
do
  claimed=$(call WorkerService/ClaimTasks '{"worker_id": "curl", "kinds": ["first-graph.sh"], "wait_timeout": "5s"}')
  task=$(text taskId "$claimed")
  [ -n "$task" ] || continue # nothing was ready within 5 s
  echo "working on $(text key "$claimed")"
  call TaskService/ReportTasks "{\"reports\": [{\"task_id\": \"$task\", \"success\": {\"output\": {\"lines\": 3}}}]}" >/dev/null
done
echo "batch $batch: $status"
# end: work
