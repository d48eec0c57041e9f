// A tour of the SDK: a graph, the worker that executes it, a watch, a log and an error. The same in each language: docs/sdk.md.
//
//   npm start                                                # a server, in another terminal
//   node_modules/.bin/node sdk/typescript/examples/tour.ts   # needs Node.js 22.18 or later
import {
  BatchStatus,
  createClient,
  createGraph,
  createWorker,
  ErrorReason,
  errorReason,
  LogLevel,
  listLogs,
  onCompletion,
  TaskError,
  TaskStatus,
  watchEvents,
} from "@millpond/sdk";

// snippet: connect
const client = createClient({ address: process.env.MILLPOND_ADDRESS ?? "http://127.0.0.1:8085" });
// end: connect

// snippet: graph
const graph = createGraph({ name: "tour" });
const fetch = graph.task("fetch", { kind: "tour.fetch", input: { sample: 7 } });
const align = graph.task("align", {
  kind: "tour.align",
  after: [fetch],
  retry: { maxAttempts: 3, initialBackoffMs: 100 },
});
graph.task("report", { kind: "tour.report", after: [onCompletion(align)] });
const { batch, tasks } = await client.tasks.createTasks(graph.toRequest());
console.log(`created ${tasks.length} tasks`);
// end: graph

// snippet: worker
const worker = createWorker({ client, slots: 10 })
  .handle("tour.fetch", (_, { input, log }) => {
    log(`fetched sample ${(input as { sample: number }).sample}`);
    return { reads: 1_000_000 };
  })
  .handle("tour.align", ({ attempt }, { parents }) => {
    if (attempt === 1) throw new TaskError("the node is busy", { code: "NODE_BUSY" });
    const fetched = parents.fetch?.output as { reads: number } | undefined;
    return { aligned: fetched?.reads };
  })
  .handle("tour.report", () => undefined);
// end: worker

// snippet: watch
const filter = { batchIds: [batch?.batchId ?? ""] };
watching: for await (const { message } of watchEvents(client, { filter, snapshot: true })) {
  if (message.case === "snapshotDone") worker.start();
  if (message.case !== "events") continue;
  for (const { payload, kind } of message.value.events) {
    if (payload.case === "taskStatusChanged" && payload.value.to === TaskStatus.SUCCESS)
      console.log(`${kind}: SUCCESS`);
    if (payload.case !== "batchStatusChanged") continue;
    console.log(`batch: ${BatchStatus[payload.value.to]}`);
    break watching;
  }
}
// end: watch

// snippet: logs
const taskId = tasks.find(({ key }) => key === "fetch")?.taskId ?? "";
for await (const { level, message } of listLogs(client, { taskId })) console.log(LogLevel[level], message);
// end: logs

// snippet: errors
try {
  await client.tasks.getTask({ taskId: "00000000-0000-7000-8000-000000000000" });
} catch (error) {
  const reason = errorReason(error);
  if (reason === undefined) throw error;
  console.log(ErrorReason[reason]);
}
// end: errors
await worker.stop();
client.close();
