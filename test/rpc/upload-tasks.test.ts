import http2 from "node:http2";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Client, Code, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { type Event, TaskService, UploadTasksRequestSchema, UploadTasksResponseSchema } from "@millpond/sdk";
import { afterEach, describe, expect, test } from "vitest";
import { type CutProxy, startCutProxy } from "../support/cut-proxy.ts";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";
import { errorOf, grpcFrame } from "./server-harness.ts";
import { dependsOn, expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

type Part = MessageInitShape<typeof UploadTasksRequestSchema>;

const server = sharedServer();
const kind = newKind();
const path = "/millpond.v1.TaskService/UploadTasks";

const task = (key: string, ...parents: string[]) => ({
  ...{ key, name: `task ${key}`, kind, dependencies: dependsOn(...parents) },
});

async function* streamOf(...parts: readonly Part[]): AsyncGenerator<Part> {
  yield* parts;
}

const upload = (...parts: readonly Part[]) => server.client.tasks.uploadTasks(streamOf(...parts));

/** A diamond whose edges lead back and forth between the parts. */
const diamond = (): Part[] => [
  { target: { case: "newBatch", value: { name: "diamond" } } },
  { tasks: [task("bottom", "left", "right"), task("left", "top")] },
  {},
  { tasks: [task("top"), task("right", "top")] },
];

/** The names of the parents of each task of a batch, by key. */
async function parentsByKey(batchId: string): Promise<Record<string, string[]>> {
  const { tasks } = await server.client.tasks.listTasks({ batchId, pageSize: 1000 });
  const keyOf = new Map(tasks.map(({ taskId, key }) => [taskId, key]));
  const parentKeys = (each: (typeof tasks)[number]): string[] =>
    each.dependencies.map(({ parent }) => (parent.case === "taskId" ? (keyOf.get(parent.value) ?? "?") : "?")).sort();
  return Object.fromEntries(tasks.map((each) => [each.key, parentKeys(each)]));
}

const wholeDiamond = { bottom: ["left", "right"], left: ["top"], top: [], right: ["top"] };

test("parts become one graph, whatever part a dependency's parent is in", async () => {
  const answer = await upload(...diamond());
  expect(answer).toMatchObject({ createdCount: 4n, deduplicatedCount: 0n });
  expect(answer.batch).toMatchObject({ name: "diamond", stats: { total: 4n } });
  expect(await parentsByKey(answer.batch?.batchId ?? "")).toEqual(wholeDiamond);
});

test("a first message that says nothing makes a batch without options", async () => {
  const { batch } = await upload({ tasks: [task("a")] });
  expect(batch).toMatchObject({ name: "", open: false, stats: { total: 1n } });
  expect((await upload({ target: { case: "newBatch", value: { open: true } } })).batch?.open).toBe(true);
});

test("an open batch grows, by keys that it has", async () => {
  const { batchId, ids } = await server.graph([task("a")], { open: true });
  const target = { case: "batchId", value: batchId } as const;
  const answer = await upload({ target, tasks: [task("b", "a", "c")] }, { tasks: [task("c", "a")] });
  expect(answer).toMatchObject({ createdCount: 2n, batch: { batchId, stats: { total: 3n } } });
  expect(await parentsByKey(batchId)).toEqual({ a: [], b: ["a", "c"], c: ["a"] });
  const byId: TaskInit = { ...task("d"), dependencies: [{ parent: { case: "taskId", value: ids.a ?? "" } }] };
  expect((await upload({ target, tasks: [byId] })).createdCount).toBe(1n);
});

describe("repeated with its request_id", () => {
  const requestId = "upload-once";
  const first = { requestId, target: { case: "newBatch", value: {} } } as const;
  const parts = (): Part[] => [{ ...first, tasks: [task("a"), task("b", "a")] }, { tasks: [task("c", "b")] }];

  test("an upload answers the same batch, and creates nothing", async () => {
    const answer = await upload(...parts());
    const rows = await server.rows();
    expect(await upload(...parts())).toEqual(answer);
    expect(await server.rows()).toEqual(rows);
  });

  const others: [string, Part[]][] = [
    ["another task", [...parts(), { tasks: [task("d")] }]],
    ["one task fewer", parts().slice(0, 1)],
    ["the same tasks in other parts", [{ ...first, tasks: [task("a")] }, { tasks: [task("b", "a"), task("c", "b")] }]],
    ["an empty part more", [...parts(), {}]],
  ];
  test.each(others)("but with %s it is refused", async (_what, other) => {
    await upload(...parts());
    await expectRefusal(upload(...other), { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" });
  });

  test("two at once create one batch", async () => {
    const both = () => upload({ requestId: "upload-twice", tasks: [task("a")] }, { tasks: [task("b", "a")] });
    const [one, two] = await Promise.all([both(), both()]);
    expect(one.batch?.batchId).toBe(two.batch?.batchId);
  });
});

describe("creates nothing when", () => {
  let rows: Record<string, number> = {};
  const refused = async (parts: readonly Part[], expected: Parameters<typeof expectRefusal>[1]) => {
    rows = await server.rows();
    return expectRefusal(upload(...parts), expected);
  };
  afterEach(async () => {
    expect(await server.rows()).toEqual(rows);
  });
  const two: Part = { tasks: [task("a"), task("b", "a")] };
  const last = (wrong: TaskInit): Part[] => [two, { tasks: [task("c")] }, { tasks: [task("d"), wrong] }];
  const invalid = (...fields: string[]) => ({ code: "InvalidArgument", reason: "INVALID_FIELD", fields }) as const;

  test("a task of the last part breaks a bound of the contract", async () => {
    await refused(last({ ...task("e"), name: "" }), invalid("tasks[4].name"));
  });

  test("a task of the last part cannot be carried out", async () => {
    const depth = (n: number): object => (n === 0 ? {} : { in: depth(n - 1) });
    await refused(last({ ...task("e"), metadata: depth(40) as never }), invalid("tasks[4].metadata"));
  });

  test("a key comes twice, in two parts", async () => {
    const { metadata } = await refused(last(task("a")), {
      ...{ code: "InvalidArgument", reason: "DUPLICATE_KEY", fields: ["tasks[4].key"] },
    });
    expect(metadata).toEqual({ key: "a" });
  });

  test("a dependency leads to no task of any part", async () => {
    await refused(last(task("e", "nobody")), {
      ...{ code: "InvalidArgument", reason: "UNKNOWN_DEPENDENCY", fields: ["tasks[4].dependencies[0].key"] },
    });
  });

  test("a dependency leads to a task that does not exist", async () => {
    const { ids } = await server.graph([task("x")]);
    const missing = `${(ids.x ?? "").slice(0, -1)}${ids.x?.endsWith("0") ? "1" : "0"}`;
    const { metadata } = await refused(
      last({ ...task("e"), dependencies: [{ parent: { case: "taskId", value: missing } }] }),
      { code: "InvalidArgument", reason: "UNKNOWN_DEPENDENCY", fields: ["tasks[4].dependencies[0].task_id"] },
    );
    expect(metadata).toEqual({ dependency: missing });
  });

  test("the parts form a cycle together", async () => {
    const { metadata } = await refused([{ tasks: [task("a", "c")] }, { tasks: [task("b", "a"), task("c", "b")] }], {
      ...{ code: "InvalidArgument", reason: "GRAPH_HAS_CYCLE" },
    });
    expect(metadata.cycle).toContain("a -> b -> c");
  });

  test("a webhook of the last part may not be called", async () => {
    const url = "http://169.254.169.254/latest";
    const { metadata } = await refused(last({ ...task("e"), execution: { case: "onStart", value: { url } } }), {
      ...{ code: "InvalidArgument", reason: "URL_FORBIDDEN", fields: ["tasks[4].on_start.url"] },
    });
    expect(metadata).toEqual({ url });
  });

  test("request_id or target come again", async () => {
    const first: Part = { requestId: "first", tasks: [task("a")] };
    const again: [string, Part][] = [
      ["request_id", { requestId: "first" }],
      ["new_batch", { target: { case: "newBatch", value: {} } }],
      ["batch_id", { target: { case: "batchId", value: "01900000-0000-7000-8000-000000000000" } }],
    ];
    for (const [field, part] of again) {
      const { error } = await refused([first, {}, part], invalid(field));
      expect(error.message).toContain("message 3");
    }
  });

  test("the stream has no message", async () => {
    await refused([], invalid("request_id"));
  });

  test("the batch is not there, or takes no tasks", async () => {
    const { batchId } = await server.graph([task("a")]);
    await refused([{ target: { case: "batchId", value: "01900000-0000-7000-8000-000000000000" } }, two], {
      ...{ code: "NotFound", reason: "BATCH_NOT_FOUND" },
    });
    await refused([{ target: { case: "batchId", value: batchId } }, { tasks: [task("b")] }], {
      ...{ code: "FailedPrecondition", reason: "BATCH_SEALED" },
    });
  });

  test("more tasks than a message may have come in one", async () => {
    const tasks = Array.from({ length: 10_001 }, (_, n) => ({ name: `${n}`, kind }));
    await refused([two, { tasks }], invalid("tasks"));
  });

  test("its deadline passes before the last part", async () => {
    rows = await server.rows();
    async function* stalls(): AsyncGenerator<Part> {
      yield two;
      await new Promise(() => {});
    }
    const ended = await endedUploads();
    const error = await errorOf(server.client.tasks.uploadTasks(stalls(), { timeoutMs: 300 }));
    expect(Code[error.code]).toBe("DeadlineExceeded");
    await until("the server has seen the end of the call", async () => (await endedUploads()) > ended);
  });

  const resets: [string, number][] = [
    ["CANCEL", http2.constants.NGHTTP2_CANCEL],
    ["NO_ERROR", http2.constants.NGHTTP2_NO_ERROR],
    ["INTERNAL_ERROR", http2.constants.NGHTTP2_INTERNAL_ERROR],
  ];
  test.each(resets)("the stream is reset with %s between two parts", async (_name, code) => {
    await breakOff((stream) => stream.close(code));
  });

  test("the connection breaks between two parts", async () => {
    await breakOff((_stream, proxy) => proxy.cut());
  });

  test("an HTTP/1.1 body breaks off between two parts", async () => {
    rows = await server.rows();
    const ended = await endedUploads();
    const abort = new AbortController();
    async function* breaks(): AsyncGenerator<Part> {
      yield two;
      abort.abort();
      await new Promise(() => {});
    }
    const client = createClient(TaskService, createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" }));
    await errorOf(client.uploadTasks(breaks(), { signal: abort.signal }));
    await until("the server has seen the end of the call", async () => (await endedUploads()) > ended);
  });

  /** Sends a part over HTTP/2, breaks off, and waits until the server has ended the call. */
  async function breakOff(how: (stream: http2.ClientHttp2Stream, proxy: CutProxy) => void): Promise<void> {
    rows = await server.rows();
    const ended = await endedUploads();
    await using proxy = await startCutProxy(Number(new URL(server.url).port));
    const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
    session.on("error", () => {});
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    const stream = session.request(headers);
    stream.on("error", () => {});
    stream.write(grpcFrame(toBinary(UploadTasksRequestSchema, create(UploadTasksRequestSchema, two))));
    await until("the server has begun the call", async () => (await metric("in_flight")) === 1);
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    how(stream, proxy);
    await until("the server has seen the end of the call", async () => (await endedUploads()) > ended);
    session.destroy();
  }

  /** How many uploads the server has ended. */
  const endedUploads = () => metric("requests_total");

  async function metric(name: string): Promise<number> {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const lines = metrics.matchAll(new RegExp(`^millpond_rpc_${name}\\{.*method="UploadTasks".*\\} (\\d+)$`, "gm"));
    return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
  }
});

test("what a filter selects of a large commit comes in one message and in pages, wherever in the commit it stands", async () => {
  const rare = newKind();
  const tasks = Array.from({ length: 3500 }, (_, n) => ({
    key: `${n}`,
    name: `${n}`,
    kind: [10, 2999, 3400].includes(n) ? rare : kind,
  }));
  const { nextCursor: cursor } = await server.client.events.listEvents({ filter: { kinds: [rare] }, pageSize: 1000 });
  await upload({ tasks: tasks.slice(0, 2000) }, { tasks: tasks.slice(2000) });
  const filter = { kinds: [rare] };
  const keysOf = (events: readonly Event[]) =>
    events.map(({ payload }) => (payload.case === "taskCreated" ? payload.value.key : payload.case));
  for await (const { message } of server.client.events.watchEvents({ filter, cursor }, { timeoutMs: 20_000 })) {
    if (message.case !== "events") continue;
    expect([keysOf(message.value.events), message.value.more]).toEqual([["10", "2999", "3400"], false]);
    break;
  }
  const pages: unknown[] = [];
  for (let from = cursor; pages.length < 3; ) {
    const page = await server.client.events.listEvents({ filter, cursor: from, pageSize: 1 });
    pages.push(...keysOf(page.events));
    from = page.nextCursor;
  }
  expect(pages).toEqual(["10", "2999", "3400"]);
});

describe("bounds of uploads", () => {
  const many = (count: number, prefix: string, text = ""): Part => ({
    tasks: Array.from({ length: count }, (_, n) => ({ ...task(`${prefix}${n}`), name: `n${text}` })),
  });

  test("an upload may have so many tasks", async () => {
    await using small = await setup({ MILLPOND_UPLOAD_TASKS_MAX: "20" });
    const send = (...parts: Part[]) => small.client.tasks.uploadTasks(streamOf(...parts));
    expect((await send(many(10, "a"), many(10, "b"))).createdCount).toBe(20n);
    const { error, metadata } = await expectRefusal(send(many(10, "a"), many(11, "b")), {
      ...{ code: "ResourceExhausted", reason: "LIMIT_EXCEEDED" },
    });
    expect(metadata).toEqual({ limit: "20" });
    expect(error.message).toContain("MILLPOND_UPLOAD_TASKS_MAX");
    expect((await small.client.batches.listBatches({})).batches).toHaveLength(1);
  });

  test("a refusal arrives while the caller is still sending", async () => {
    await using small = await setup({ MILLPOND_UPLOAD_TASKS_MAX: "20" });
    const large = Array.from({ length: 40 }, (_, n) => many(2000, `p${n}-`, "x".repeat(200)));
    const transports: Transport[] = [
      createGrpcTransport({ baseUrl: small.url }),
      createConnectTransport({ baseUrl: small.url, httpVersion: "2" }),
      createConnectTransport({ baseUrl: small.url, httpVersion: "1.1" }),
    ];
    for (const transport of transports) {
      const call = createClient(TaskService, transport).uploadTasks(streamOf(...large));
      await expectRefusal(call, { code: "ResourceExhausted", reason: "LIMIT_EXCEEDED" });
    }
  });

  test("uploads of one server share room, which each gives back however it ends", async () => {
    await using small = await setup({ MILLPOND_UPLOAD_BYTES_MAX: "64KiB" });
    const { tasks } = small.client;
    const { promise: finish, resolve } = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Part> {
      yield many(100, "a");
      await finish;
    }
    const first = tasks.uploadTasks(slow());
    const second = () => tasks.uploadTasks(streamOf(many(100, "b")));
    await until("the first upload holds its room", async () => {
      const refusal = await second().then(
        () => undefined,
        (error: unknown) => error,
      );
      return refusal !== undefined;
    });
    const { error } = await expectRefusal(second(), { code: "ResourceExhausted", reason: "LIMIT_EXCEEDED" });
    expect(error.details.map((detail) => ("type" in detail ? detail.type : ""))).toContain("google.rpc.RetryInfo");
    resolve();
    expect((await first).createdCount).toBe(100n);
    expect((await second()).createdCount).toBe(100n);

    const abort = new AbortController();
    async function* stalls(): AsyncGenerator<Part> {
      yield many(100, "c");
      await new Promise(() => {});
    }
    const aborted = errorOf(tasks.uploadTasks(stalls(), { signal: abort.signal }));
    await until("the third upload holds its room", () =>
      second().then(
        () => false,
        () => true,
      ),
    );
    abort.abort();
    expect(Code[(await aborted).code]).toBe("Canceled");
    await until("its room is given back", async () => (await second()).createdCount === 100n);

    const alone = await expectRefusal(tasks.uploadTasks(streamOf(many(200, "d"))), {
      ...{ code: "ResourceExhausted", reason: "LIMIT_EXCEEDED" },
    });
    expect(alone.metadata).toEqual({ limit: "65536" });
    expect(alone.error.details.map((detail) => ("type" in detail ? detail.type : ""))).not.toContain(
      "google.rpc.RetryInfo",
    );
  });

  test("a caller that sends nothing more is not waited for without end", async () => {
    await using small = await setup({ MILLPOND_REQUEST_TIMEOUT: "1s" });
    async function* stalls(): AsyncGenerator<Part> {
      yield many(1, "a");
      await new Promise(() => {});
    }
    const { metadata } = await expectRefusal(small.client.tasks.uploadTasks(stalls()), {
      ...{ code: "ResourceExhausted", reason: "LIMIT_EXCEEDED" },
    });
    expect(metadata).toEqual({ limit: "1s" });
    expect((await small.client.batches.listBatches({})).batches).toEqual([]);
  });
});

describe("every protocol that streams uploads", () => {
  const transports: [string, (baseUrl: string) => Transport][] = [
    ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
    ["Connect over HTTP/2", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
    [
      "Connect with JSON over HTTP/2",
      (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
    ],
    ["Connect over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  ];
  test.each(transports)("%s", async (_name, transportOf) => {
    const client: Client<typeof TaskService> = createClient(TaskService, transportOf(server.url));
    const { batch } = await client.uploadTasks(streamOf(...diamond()));
    expect(await parentsByKey(batch?.batchId ?? "")).toEqual(wholeDiamond);
  });

  test("gRPC by grpc-js", async () => {
    const client = new grpc.Client(new URL(server.url).host, grpc.credentials.createInsecure());
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const call = client.makeClientStreamRequest<Part, Uint8Array>(
      path,
      (part) => Buffer.from(toBinary(UploadTasksRequestSchema, create(UploadTasksRequestSchema, part))),
      (bytes) => bytes,
      (error, answer) => (error === null ? resolve(answer as Uint8Array) : reject(error)),
    );
    for (const part of diamond()) call.write(part);
    call.end();
    const answer = fromBinary(UploadTasksResponseSchema, await promise);
    client.close();
    expect(answer.createdCount).toBe(4n);
    expect(await parentsByKey(answer.batch?.batchId ?? "")).toEqual(wholeDiamond);
  });
});
