import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  BatchSchema,
  createClient,
  createGraph,
  type MillpondClient,
  TaskService,
  type UploadTasksRequest,
  UploadTasksRequestSchema,
  type UploadTasksResponse,
  UploadTasksResponseSchema,
  uploadTasks,
} from "@millpond/sdk";
import { expect, test } from "vitest";

type Upload = readonly UploadTasksRequest[];

/** A server that keeps the messages of each upload, and answers the n-th upload as it is told. */
async function startServer(answer: (upload: Upload, n: number) => UploadTasksResponse) {
  const uploads: Upload[] = [];
  const server = http2.createServer(
    connectNodeAdapter({
      routes: (router) =>
        router.service(TaskService, {
          uploadTasks: async (requests) => {
            const upload: UploadTasksRequest[] = [];
            for await (const request of requests) upload.push(request);
            uploads.push(upload);
            return answer(upload, uploads.length);
          },
        }),
    }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = createClient({ address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  return {
    ...{ client, uploads },
    [Symbol.asyncDispose]: async () => {
      client.close();
      server.close();
      await once(server, "close");
    },
  };
}

const created = (upload: Upload): UploadTasksResponse =>
  create(UploadTasksResponseSchema, {
    batch: create(BatchSchema, { batchId: "b" }),
    createdCount: BigInt(upload.reduce((sum, { tasks }) => sum + tasks.length, 0)),
  });

function chain(length: number, input?: string) {
  const graph = createGraph({ name: "chain" });
  for (let n = 0; n < length; n++) {
    graph.task(`t${n}`, { kind: "work", after: n === 0 ? [] : [`t${n - 1}`], ...(input !== undefined && { input }) });
  }
  return graph;
}

test.each([
  ["the SDK", (client: MillpondClient) => client],
  ["somebody else", ({ tasks }: MillpondClient) => ({ tasks })],
])("a graph is sent in parts: where to first, then its tasks in order, by a client of %s", async (_, clientOf) => {
  await using server = await startServer(created);
  const answer = await uploadTasks(clientOf(server.client), chain(7), { partSize: 3, requestId: "once" });
  expect(answer).toMatchObject({ createdCount: 7n, batch: { batchId: "b" } });
  const [upload = []] = server.uploads;
  expect(upload[0]).toMatchObject({
    requestId: "once",
    target: { case: "newBatch", value: { name: "chain" } },
    tasks: [],
  });
  expect(
    upload.slice(1).map(({ requestId, target, tasks }) => [requestId, target.case, tasks.map(({ key }) => key)]),
  ).toEqual([
    ["", undefined, ["t0", "t1", "t2"]],
    ["", undefined, ["t3", "t4", "t5"]],
    ["", undefined, ["t6"]],
  ]);
});

test("parts are no larger than 5,000 tasks, nor 4 MiB", async () => {
  await using server = await startServer(created);
  await uploadTasks(server.client, chain(12_000), { partSize: 9_000 });
  await uploadTasks(server.client, chain(9, "x".repeat(1024 * 1024)));
  const sizes = server.uploads.map((upload) => upload.map(({ tasks }) => tasks.length));
  expect(sizes).toEqual([
    [0, 5_000, 5_000, 2_000],
    [0, 3, 3, 3],
  ]);
  // Among small ones, too: the n-th has so many bytes.
  const mixed = createGraph({ name: "mixed" });
  const lengths = Array.from({ length: 60 }, (_, n) => (n % 13 === 5 ? 3_000_000 : n % 7 === 0 ? 900_000 : 20));
  for (const [n, length] of lengths.entries()) mixed.task(`m${n}`, { kind: "work", input: "x".repeat(length) });
  await uploadTasks(server.client, mixed);
  const parts = server.uploads.at(-1) ?? [];
  expect(parts.flatMap(({ tasks }) => tasks.map(({ key }) => key))).toEqual(lengths.map((_, n) => `m${n}`));
  for (const part of parts) expect(toBinary(UploadTasksRequestSchema, part).length).toBeLessThanOrEqual(4 * 1024 ** 2);
});

test("a graph that grows an open batch says so", async () => {
  await using server = await startServer(created);
  const batchId = "0197a1b2-0000-7000-8000-000000000001";
  await uploadTasks(server.client, createGraph({ batchId }));
  expect(server.uploads[0]?.map(({ target }) => target)).toEqual([{ case: "batchId", value: batchId }]);
});

test("it is repeated, with one request id, while the server is away, and fails at once on what a repeat cannot mend", async () => {
  await using away = await startServer((upload, n) => {
    if (n < 3) throw new ConnectError("away", Code.Unavailable);
    return created(upload);
  });
  const retry = { initialBackoffMs: 1 };
  expect((await uploadTasks(away.client, chain(2), { retry })).createdCount).toBe(2n);
  const ids = away.uploads.map(([first]) => first?.requestId);
  expect(ids).toHaveLength(3);
  expect(new Set(ids).size).toBe(1);
  expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);

  await using refusing = await startServer(() => {
    throw new ConnectError("no", Code.InvalidArgument);
  });
  await expect(uploadTasks(refusing.client, chain(2), { retry })).rejects.toMatchObject({ code: Code.InvalidArgument });
  expect(refusing.uploads).toHaveLength(1);
  await using gone = await startServer(() => {
    throw new ConnectError("away", Code.Unavailable);
  });
  await expect(uploadTasks(gone.client, chain(2), { retry: false })).rejects.toMatchObject({ code: Code.Unavailable });
  expect(gone.uploads).toHaveLength(1);
});
