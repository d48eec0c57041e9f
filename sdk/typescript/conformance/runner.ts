// The runner of the conformance suite (sdk/conformance/README.md): does with the SDK what it is told, a line of JSON at a time.
import { toJson } from "@bufbuild/protobuf";
import { linesOf } from "../../conformance/harness/lines.ts";
import type { MillpondClient } from "../src/client.ts";
import { createClient } from "../src/client.ts";
import { LogEntrySchema } from "../src/gen/millpond/v1/log_pb.js";
import { listLogs } from "../src/list-logs.ts";
import { Calls } from "./calls.ts";
import { describeError } from "./describe-error.ts";
import { readGraph } from "./read-graph.ts";
import { Watches } from "./watches.ts";
import { Workers } from "./workers.ts";

/** The fields of an op: what its caller says they are. */
// biome-ignore lint/suspicious/noExplicitAny: the fields come from JSON, and each op reads its own.
type Fields = any;

const clients = new Map<string, MillpondClient>();
const calls = new Calls();
const watches = new Watches();
const workers = new Workers();

function clientOf({ client }: Fields): MillpondClient {
  const found = clients.get(client);
  if (!found) throw new Error(`there is no client "${client}"`);
  return found;
}

const ops: Readonly<Record<string, (fields: Fields) => object | Promise<object>>> = {
  hello: () => ({ language: "typescript", version: "0.1.0" }),
  "client.open": ({ client, address, token, timeoutMs, retry }) => {
    clients.set(client, createClient({ address, token, defaultTimeoutMs: timeoutMs, retry }));
    return {};
  },
  "client.close": (fields) => {
    clientOf(fields).close();
    clients.delete(fields.client);
    return {};
  },
  call: (fields) => calls.call(clientOf(fields), fields),
  cancel: ({ call }) => calls.cancel(call),
  stream: (fields) => calls.stream(clientOf(fields), fields),
  graph: (fields) => readGraph(clientOf(fields), fields),
  "watch.open": (fields) => watches.open(clientOf(fields), fields),
  "watch.next": ({ watch, timeoutMs }) => watches.next(watch, timeoutMs),
  "watch.close": ({ watch }) => watches.close(watch),
  logs: async (fields) => {
    const entries = [];
    for await (const entry of listLogs(clientOf(fields), fields)) entries.push(toJson(LogEntrySchema, entry));
    return { entries };
  },
  "worker.open": (fields) => workers.open(clientOf(fields), fields),
  "worker.release": ({ worker }) => workers.release(worker),
  "worker.state": ({ worker }) => workers.state(worker),
  "worker.stop": ({ worker }) => workers.stop(worker),
};

for await (const line of linesOf(process.stdin)) void answer(JSON.parse(line));
await workers.stopAll();
await watches.closeAll();
for (const client of clients.values()) client.close();

async function answer({ id, op, ...fields }: Fields): Promise<void> {
  let result: object;
  try {
    const act = ops[op];
    if (!act) throw new Error(`there is no op "${op}"`);
    result = { id, ok: await act(fields) };
  } catch (error) {
    result = { id, error: describeError(error) };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
