#!/bin/sh
# Works on one attempt and reports with curl. Its argument is the handle: whatever takes the start call passes it on
# (receiver.py does: python3 receiver.py ./executor.sh).
set -eu

# snippet: all
handle=$1
# report JSON: 0 if it was taken; otherwise this attempt is none of ours any more (409, 410), or Millpond is away.
report() { curl -sS --fail-with-body --retry 5 --retry-connrefused "$handle" -d "$1"; }

report '{"heartbeat": {"progress": {"step": "count"}}}' >/dev/null || exit 1
if lines=$(wc -l </etc/passwd); then
  report "{\"success\": {\"output\": {\"lines\": $((lines))}}}" >/dev/null
else
  report '{"failure": {"message": "there is nothing to count", "code": "ENOENT"}}' >/dev/null
fi
# end: all
