import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BatchStatus, type ListBatchesRequestSchema } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

async function names(request: MessageInitShape<typeof ListBatchesRequestSchema>): Promise<string[]> {
  const { batches } = await server.client.batches.listBatches(request);
  return batches.map(({ name }) => name);
}

describe("filters of ListBatches", () => {
  test("by status, kind, name, metadata and time; the newest comes first", async () => {
    const [one, two] = [newKind(), newKind()];
    await server.graph([{ key: "a", name: "a", kind: one }], {
      name: "Alpha_1",
      metadata: { team: "x", tags: ["p", "q"] },
    });
    const beta = await server.graph([{ key: "a", name: "a", kind: two }], { name: "alphax1", metadata: { team: "y" } });
    await server.graph(
      [
        { key: "a", name: "a", kind: one },
        { key: "b", name: "b", kind: two },
      ],
      { name: "100%" },
    );
    expect(await names({ kinds: [one, two] })).toEqual(["100%", "alphax1", "Alpha_1"]);
    expect(await names({ kinds: [two] })).toEqual(["100%", "alphax1"]);
    expect(await names({ kinds: ["nobody's"] })).toEqual([]);
    expect(await names({ kinds: [one, two], nameContains: "ALPHA_" })).toEqual(["Alpha_1"]);
    expect(await names({ kinds: [one, two], nameContains: "%" })).toEqual(["100%"]);
    expect(await names({ metadata: { tags: ["q"] } })).toEqual(["Alpha_1"]);
    expect(await names({ kinds: [one, two], metadata: { team: "z" } })).toEqual([]);
    await server.client.batches.stopBatch({ batchId: beta.batchId });
    expect(await names({ kinds: [two], statuses: [BatchStatus.CANCELED] })).toEqual(["alphax1"]);
    expect(await names({ kinds: [two], statuses: [BatchStatus.ACTIVE, BatchStatus.FAILURE] })).toEqual(["100%"]);
    const { batch } = await server.client.batches.getBatch({ batchId: beta.batchId });
    const at = batch?.createTime ?? timestampFromMs(0);
    expect(await names({ kinds: [two], createdAfter: at })).toEqual(["100%", "alphax1"]);
    expect(await names({ kinds: [two], createdBefore: at })).toEqual([]);
    const last = timestampFromDate(new Date("9999-12-31T23:59:59Z"));
    expect(await names({ kinds: [two], createdAfter: timestampFromMs(0), createdBefore: last })).toHaveLength(2);
    expect(await names({ kinds: [two], createdAfter: last })).toEqual([]);
  });

  test("pages walk everything once while batches are being created", async () => {
    const kind = newKind();
    for (let n = 0; n < 7; n += 1) await server.graph([{ key: "a", name: "a", kind }], { name: `b${n}` });
    const seen: string[] = [];
    for (let pageToken = ""; ; ) {
      const page = await server.client.batches.listBatches({ kinds: [kind], pageSize: 2, pageToken });
      seen.push(...page.batches.map(({ name }) => name));
      if (page.nextPageToken === "") break;
      pageToken = page.nextPageToken;
      await server.graph([{ key: "a", name: "a", kind }], { name: "new" });
    }
    expect(seen).toEqual(["b6", "b5", "b4", "b3", "b2", "b1", "b0"]);
  });
});

describe("the statistics of a batch", () => {
  test("are right after each transition", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind },
      { key: "c", name: "c", kind: "never", dependencies: dependsOn("a") },
      { key: "d", name: "d", kind: "never", dependencies: dependsOn("b") },
      { key: "e", name: "e", kind: "never", dependencies: dependsOn("d") },
    ]);
    expect(await server.stats(batchId)).toEqual({ PENDING: 2, WAITING: 3 });
    const [a, b] = await server.claim(kind, { max: 2 });
    expect(await server.stats(batchId)).toEqual({ RUNNING: 2, WAITING: 3 });
    if (a === undefined || b === undefined) throw new Error("too few");
    await server.succeed(a);
    expect(await server.stats(batchId)).toEqual({ RUNNING: 1, WAITING: 2, SUCCESS: 1, PENDING: 1 });
    await server.fail(b);
    expect(await server.stats(batchId)).toEqual({ SUCCESS: 1, PENDING: 1, FAILURE: 3 });
    await server.client.tasks.cancelTasks({ taskIds: [ids.c ?? ""] });
    expect(await server.stats(batchId)).toEqual({ SUCCESS: 1, FAILURE: 3, CANCELED: 1 });
    const { batch } = await server.client.batches.getBatch({ batchId });
    expect(batch).toMatchObject({ status: BatchStatus.FAILURE, stats: { total: 5n } });
    expect(batch?.endTime).toBeDefined();
  });

  test("end as SUCCESS when tasks were skipped only", async () => {
    const kind = newKind();
    const condition = { parent: { case: "key" as const, value: "a" }, condition: 3 };
    const { batchId } = await server.graph([
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind, dependencies: [condition] },
    ]);
    await server.succeed(await server.claimOne(kind));
    const { batch } = await server.client.batches.getBatch({ batchId });
    expect(batch).toMatchObject({ status: BatchStatus.SUCCESS, stats: { byStatus: { SUCCESS: 1n, SKIPPED: 1n } } });
  });
});
