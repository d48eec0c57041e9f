import { readFileSync } from "node:fs";
import path from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryTrigger, type RetryPolicySchema, type TaskReportSchema, TaskStatus, UnmetPolicy } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dependsOn, eventually, newKind, sharedServer, type TaskInit } from "../rpc/shared-server.ts";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";

const text = readFileSync(path.resolve(import.meta.dirname, "../../docs/webhooks.md"), "utf8");

/** Who works on a task: a receiver that registered `cancel`, one that registered nothing, a worker. */
type Executor = "registered" | "receiver" | "worker";
const executors = ["registered", "receiver", "worker"] as const;

const impossible = "–";

/** A line of the table: what happens in which status, and which webhooks are called for each executor. */
const rows = [...text.matchAll(/^\| ([^|]+) \| ([A-Z, ]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)].flatMap(
  ([, what = "", statuses = "", ...cells]) =>
    statuses.split(", ").map((status) => ({
      what: what.trim(),
      status: status.trim(),
      cells: Object.fromEntries(executors.map((executor, n) => [executor, cells[n]?.trim() ?? ""])),
    })),
);

const server = sharedServer();
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver((response, { url }) => {
    const mode = url.searchParams.get("mode");
    if (mode === "silent") return;
    if (mode === "rejected") response.writeHead(404).end();
    else response.end(mode === "registered" ? JSON.stringify({ cancel: { url: `${receiver.url}?stop` } }) : "");
  });
});
afterAll(() => receiver[Symbol.asyncDispose]());

const ms = durationFromMs;
const never = ms(3_600_000);
const twice: MessageInitShape<typeof RetryPolicySchema> = { maxAttempts: 2, initialBackoff: never, maxBackoff: never };

/** What a line of the table needs of its task, how it comes about, and the status or attempt that shows that it has. */
interface Happening {
  readonly task?: TaskInit;
  readonly parent?: TaskInit;
  readonly mode?: string;
  readonly make?: (of: { taskId: string; batchId: string; parentKind: string; attempt: number }) => Promise<unknown>;
  readonly reaches: string;
}

type ReportInit = Omit<MessageInitShape<typeof TaskReportSchema>, "$typeName" | "taskId" | "attempt">;

const report =
  (body: ReportInit): NonNullable<Happening["make"]> =>
  ({ taskId, attempt }) =>
    server.client.tasks.reportTasks({ reports: [{ taskId, attempt, ...body }] });
const failure = report({ report: { case: "failure", value: {} } });

const happenings: Record<string, Happening> = {
  "success is reported": { make: report({ report: { case: "success", value: {} } }), reaches: "SUCCESS" },
  "failure is reported, attempts are left": { task: { retry: twice }, make: failure, reaches: "PENDING" },
  "failure is reported, the last attempt": { make: failure, reaches: "FAILURE" },
  "the start call is rejected": { mode: "rejected", reaches: "FAILURE" },
  "`start_timeout`, it is called again": { task: { startTimeout: ms(300) }, reaches: "attempt 2" },
  "`start_timeout`, the last attempt": { task: { startTimeout: ms(50) }, reaches: "FAILURE" },
  "`inactivity_timeout` or `execution_timeout`, attempts are left": {
    task: { executionTimeout: ms(300), retry: twice },
    reaches: "PENDING",
  },
  "`inactivity_timeout` or `execution_timeout`, the last attempt": {
    task: { inactivityTimeout: ms(300) },
    reaches: "FAILURE",
  },
  "`total_timeout`": { task: { totalTimeout: ms(2_000) }, reaches: "FAILURE" },
  CancelTasks: {
    make: ({ taskId }) => server.client.tasks.cancelTasks({ taskIds: [taskId] }),
    reaches: "CANCELED",
  },
  "StopBatch, or a critical task failed": {
    make: ({ batchId }) => server.client.batches.stopBatch({ batchId }),
    reaches: "CANCELED",
  },
  "a parent failed": {
    make: async ({ parentKind }) => server.fail(await server.claimOne(parentKind)),
    reaches: "FAILURE",
  },
  "a parent failed, `unmet_policy` SKIP": {
    task: { unmetPolicy: UnmetPolicy.SKIP },
    make: async ({ parentKind }) => server.fail(await server.claimOne(parentKind)),
    reaches: "SKIPPED",
  },
};

async function triggersAfter(happening: Happening, status: string, executor: Executor): Promise<string> {
  const [kind, parentKind] = [newKind(), newKind()];
  const all = [{ url: `${receiver.url}?ended` }];
  const mode = happening.mode ?? (status === "CLAIMED" ? "silent" : executor);
  const { ids, batchId } = await server.graph([
    { key: "parent", name: "parent", kind: parentKind },
    {
      ...{ key: "a", name: "a", kind, onSuccess: all, onFailure: all, onCancel: all, inactivityTimeout: never },
      ...(status === "WAITING" && { dependencies: dependsOn("parent") }),
      ...(/PENDING|PAUSED/.test(status) && { startTime: timestampFromMs(Date.now() + 3_600_000) }),
      ...(executor !== "worker" && { execution: { case: "onStart", value: { url: `${receiver.url}?mode=${mode}` } } }),
      startTimeout: never,
      ...happening.task,
    },
  ]);
  const taskId = ids.a ?? "";
  if (status === "PAUSED") await server.client.tasks.pauseTasks({ taskIds: [taskId] });
  if (status === "RUNNING" && executor === "worker") await server.claimOne(kind, { lease: never });
  if (happening.mode === undefined && happening.reaches !== "attempt 2" && happening.make !== undefined)
    await eventually(async () => ((await server.status(taskId)) === status ? true : undefined), `${status}`);
  const { attempt } = await server.task(taskId);
  await happening.make?.({ taskId, batchId, parentKind, attempt });
  await eventually(async () => {
    const task = await server.task(taskId);
    // What is repeated is PENDING again.
    const isReached =
      happening.reaches === "attempt 2" ? task.attempt >= 2 : TaskStatus[task.status] === happening.reaches;
    return isReached && (happening.reaches !== "PENDING" || task.attempt === 1) ? true : undefined;
  }, `${happening.reaches}`);
  const { deliveries } = await server.client.deliveries.listDeliveries({ taskId });
  // Of an attempt before the last, what its own end brought is repeated.
  const triggers = new Set(deliveries.map(({ trigger }) => DeliveryTrigger[trigger].toLowerCase()));
  const names = ["success", "failure", "cancel"].filter((name) => triggers.has(name)).map((name) => `\`on_${name}\``);
  if (triggers.has("stop")) names.push("`cancel`");
  return names.join(", ") || "none";
}

it("docs/webhooks.md has a line for every happening that is tested, and no other", () => {
  expect(new Set(rows.map(({ what }) => what))).toEqual(new Set(Object.keys(happenings)));
});

describe.concurrent("the webhooks of docs/webhooks.md are called", () => {
  const cases = rows.flatMap(({ what, status, cells }) =>
    executors
      .filter((executor) => cells[executor] !== impossible)
      .map((executor) => ({ what, status, executor, cells })),
  );
  it.each(cases)("$what, while $status, $executor", async ({ what, status, executor, cells }) => {
    const happening = happenings[what] as Happening;
    expect(await triggersAfter(happening, status, executor)).toBe(cells[executor]);
  });
});
