// A first graph: two tasks, of which the second reads what the first produced, the worker that runs them, and a watch
// that tells every change until the batch has ended.
//
//   npm start                                            # a server, in another terminal
//   node_modules/.bin/node examples/first-graph.ts       # needs Node.js 22.18 or later

// snippet: all
import { BatchStatus, createClient, createGraph, createWorker, TaskStatus, watchEvents } from "@millpond/sdk";

const client = createClient({ address: process.env.MILLPOND_ADDRESS ?? "http://127.0.0.1:8085" });

const graph = createGraph({ name: "first graph" });
const fetch = graph.task("fetch", { kind: "first-graph.fetch", input: { sample: 7 } });
graph.task("align", { kind: "first-graph.align", after: [fetch] });
const { batch } = await client.tasks.createTasks(graph.toRequest());
const batchId = batch?.batchId ?? "";
console.log(`created batch ${batchId}`);

const worker = createWorker({ client, slots: 10 })
  .handle("first-graph.fetch", (_, { input }) => ({ reads: 1_000_000, of: input }))
  .handle("first-graph.align", (_, { parents }) => ({ aligned: parents.fetch?.output }));

// The snapshot comes first and the changes after it: nothing is missed.
watching: for await (const { message } of watchEvents(client, { filter: { batchIds: [batchId] }, snapshot: true })) {
  if (message.case === "snapshotDone") worker.start();
  if (message.case !== "events") continue;
  for (const { payload, kind } of message.value.events) {
    if (payload.case === "taskStatusChanged") console.log(`${kind}: ${TaskStatus[payload.value.to]}`);
    if (payload.case !== "batchStatusChanged") continue;
    console.log(`batch: ${BatchStatus[payload.value.to]}`);
    break watching;
  }
}

await worker.stop();
client.close();
// end: all
