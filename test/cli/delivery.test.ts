import { DeliveryState } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";

let cli: CommandLineSetup;
let receiver: Receiver;
/** What the receiver answers: after 410 a delivery is not repeated. */
let status = 200;
const nobody = "01990000-0000-7000-8000-000000000000";

beforeAll(async () => {
  receiver = await startReceiver((answer) => answer.writeHead(status).end());
  cli = await commandLineSetup();
});
afterAll(async () => {
  await cli[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

/** Tasks of one batch that have been canceled, each with a delivery that has come to an end. */
async function canceled(kind: string, count: number, answered: number): Promise<{ batchId: string; ids: string[] }> {
  status = answered;
  const { batch, tasks } = await cli.client.tasks.createTasks({
    tasks: Array.from({ length: count }, () => ({ name: kind, kind, onCancel: [{ url: `${receiver.url}/${kind}` }] })),
  });
  const ids = tasks.map(({ taskId }) => taskId);
  await cli.client.tasks.cancelTasks({ taskIds: ids });
  const batchId = batch?.batchId ?? "";
  await settled(batchId, count);
  return { batchId, ids };
}

async function settled(batchId: string, count: number): Promise<void> {
  await until("the deliveries have come to an end", async () => {
    const states = [DeliveryState.DELIVERED, DeliveryState.EXHAUSTED];
    const { deliveries } = await cli.client.deliveries.listDeliveries({ batchId, states });
    return deliveries.length === count;
  });
}

const idsOf = ({ deliveries = [] }: { deliveries?: { deliveryId: string }[] }) =>
  deliveries.map(({ deliveryId }) => deliveryId);

describe("delivery list", () => {
  test("it shows where each goes and how that stands", async () => {
    const { batchId, ids } = await canceled("shown", 1, 410);
    const { code, stdout } = await cli.run(["delivery", "list", "--batch", batchId]);
    expect(stdout).toMatch(
      new RegExp(
        `^DELIVERY +STATE +TELLS OF +TRIES +LAST ANSWER +URL +CREATED +TASK +BATCH\n\\S{36} +EXHAUSTED +CANCEL +1 .*410.* ${receiver.url}/shown +(now|\\d+ s ago) +${ids[0]} +${batchId}\n$`,
      ),
    );
    expect(code).toBe(0);
  });

  test("every filter lets through what it names, and pages are one list", async () => {
    const failed = await canceled("failed", 3, 410);
    const delivered = await canceled("delivered", 1, 200);
    const list = (...options: string[]) => cli.json("delivery", "list", ...options);
    const all = idsOf(await list("--batch", failed.batchId));
    expect(all).toHaveLength(3);
    expect(idsOf(await list("--batch", failed.batchId, "--state", "exhausted,pending"))).toEqual(all);
    expect(await list("--batch", delivered.batchId, "--state", "EXHAUSTED")).toEqual({});
    expect(await list("--task", delivered.ids[0] ?? "")).toMatchObject({
      deliveries: [{ state: "DELIVERY_STATE_DELIVERED", lastStatusCode: 200, trigger: "DELIVERY_TRIGGER_CANCEL" }],
    });
    expect(await list("--batch", failed.batchId, "--trigger", "SUCCESS", "--trigger", "BATCH_COMPLETE")).toEqual({});
    expect(idsOf(await list("--batch", failed.batchId, "--trigger", "CANCEL"))).toEqual(all);
    const host = `127.0.0.1:${receiver.port}`;
    expect(idsOf(await list("--batch", failed.batchId, "--host", host))).toEqual(all);
    expect(await list("--host", "hooks.example.com")).toEqual({});

    const first = await list("--batch", failed.batchId, "--limit", "2");
    expect(idsOf(first)).toEqual(all.slice(0, 2));
    const rest = await list("--batch", failed.batchId, "--page-token", first.nextPageToken);
    expect(idsOf(rest)).toEqual(all.slice(2));
    const text = await cli.run(["delivery", "list", "--batch", failed.batchId, "--limit", "2"]);
    expect(text.stdout).toContain("These are the newest 2; --limit 20 shows more.\n");
    expect((await cli.run(["delivery", "list", "--task", nobody])).stdout).toBe("There are no such deliveries.\n");
  });

  test("a state or trigger that does not exist is misuse, and those that do are named", async () => {
    const state = await cli.run(["delivery", "list", "--state", "LOST"]);
    expect(state).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining("It must be of PENDING, DELIVERED, EXHAUSTED.") },
    });
    const trigger = await cli.run(["delivery", "list", "--trigger", "END"]);
    expect(trigger.stderr).toContain("It must be of SUCCESS, FAILURE, CANCEL, BATCH_COMPLETE, STOP.");
    expect(trigger.code).toBe(2);
  });
});

describe("delivery replay", () => {
  const callsOf = (kind: string) => receiver.calls.filter(({ url }) => url.pathname.endsWith(`/${kind}`)).length;
  const called = (kind: string, count: number) =>
    until(`${count} calls of ${kind}`, () => callsOf(kind) === count).then(() => count);

  test("those named are made again, those of a task, of a batch and to a host if they are exhausted", async () => {
    const { batchId, ids } = await canceled("again", 4, 410);
    const deliveries = idsOf(await cli.json("delivery", "list", "--batch", batchId));
    status = 200;
    const named = await cli.run(["delivery", "replay", ...deliveries.slice(0, 1)]);
    expect(named).toMatchObject({ stdout: "1 delivery is due again, with a fresh budget of attempts.\n", code: 0 });
    await called("again", 5);
    await settled(batchId, 4);

    const left = await cli.json("delivery", "list", "--batch", batchId, "--state", "EXHAUSTED");
    const ofTask = left.deliveries[0]?.taskId;
    expect(ids).toContain(ofTask);
    expect(await cli.json("delivery", "replay", "--task", ofTask)).toEqual({ replayedCount: "1" });
    await settled(batchId, 4);
    expect((await cli.run(["delivery", "replay", "--batch", batchId])).stdout).toMatch(/^2 deliveries are due again/);
    await called("again", 8);
    await settled(batchId, 4);
    expect(await cli.json("delivery", "list", "--batch", batchId, "--state", "EXHAUSTED")).toEqual({});

    const other = await canceled("hosted", 2, 410);
    status = 200;
    const host = `127.0.0.1:${receiver.port}`;
    const replayed = await cli.json("delivery", "replay", "--host", host);
    expect(Number(replayed.replayedCount)).toBeGreaterThanOrEqual(2);
    await called("hosted", 4);
    await settled(other.batchId, 2);
  });

  test("one that does not exist is refused", async () => {
    const { code, stderr } = await cli.run(["delivery", "replay", nobody]);
    expect(stderr).toContain(nobody);
    expect(stderr).toContain("(INVALID_FIELD)");
    expect(code).toBe(1);
  });

  test("more of them than one call takes are misuse: they are replayed all or none", async () => {
    const { code, stderr } = await cli.run(["delivery", "replay", ...Array.from({ length: 1_001 }, () => nobody)]);
    expect(stderr).toContain("1001 deliveries are more than one call takes, all or none: give at most 1000");
    expect(code).toBe(2);
  });

  test.each([
    [[], "say what is replayed, in one way: ids of deliveries, --task, --batch or --host"],
    [[nobody, "--host", "x"], "say what is replayed, in one way"],
    [["--task", nobody, "--batch", nobody], "say what is replayed, in one way"],
    [["42"], "It must be the id of a delivery, a UUID; `millpond delivery list` shows them."],
  ])("%j is misuse", async (args, message) => {
    const { code, stderr } = await cli.run(["delivery", "replay", ...args]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});
