#!/bin/sh
# Runs a program for each task of a graph, and looks at what came of it, with the command line.
# The server is that of MILLPOND_ADDRESS, or http://127.0.0.1:8085.
set -eu
cd "$(dirname "$0")/.."
worker=
folder=$(mktemp -d)
ln -s "$PWD/bin/millpond.cjs" "$folder/millpond"
PATH=$folder:$PATH
trap '[ -z "$worker" ] || kill "$worker"; wait; rm -r "$folder"' EXIT

# snippet: all
# A worker: one program per task. It reads the task's input as JSON; what it prints is the output.
millpond worker --kind example.words --slots 2 -- wc -w &
worker=$!

# A graph from a file, with its progress, to its end: the exit code tells how that was.
millpond run examples/graph.yaml

# A single task, and all that there is to know about it once it has ended.
id=$(millpond task create -q --kind example.words --input '"one more"')
millpond task watch "$id"

# What there is, for people and for programs.
millpond task list --kind example.words
millpond task get "$id" --json
# end: all
