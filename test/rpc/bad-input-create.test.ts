import { fromJson, type JsonObject, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import { DependencyCondition, type NewBatchSchema, type UnmetPolicy } from "@millpond/sdk";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { errorOf } from "./server-harness.ts";
import { dependsOn, expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

let rowsBefore: Record<string, number> = {};
beforeEach(async () => {
  rowsBefore = await server.rows();
});
afterEach(async () => {
  // Nothing created: no tasks, no batches, no events, no record of the request.
  expect(await server.rows()).toEqual(rowsBefore);
});

const ok: TaskInit = { name: "n", kind: "k" };

function create(tasks: TaskInit[], batch: MessageInitShape<typeof NewBatchSchema> = {}) {
  return server.client.tasks.createTasks({ target: { case: "newBatch", value: batch }, tasks });
}

const invalid = (...fields: string[]) => ({ code: "InvalidArgument", reason: "INVALID_FIELD", fields }) as const;
const value = (json: JsonValue) => fromJson(ValueSchema, json);
const nested = (depth: number): JsonValue => {
  let json: JsonValue = 1;
  for (let n = 0; n < depth; n += 1) json = [json];
  return json;
};

describe("the graph", () => {
  test.each([
    ["a -> b -> a", [{ a: ["b"] }, { b: ["a"] }]],
    ["a -> c -> b -> a", [{ x: [] }, { a: ["b"] }, { b: ["c"] }, { c: ["a", "x"] }, { y: ["c"] }]],
  ])("%s is refused and shown", async (cycle, nodes) => {
    const tasks = nodes.flatMap((node) =>
      Object.entries(node).map(([key, parents]) => ({ ...ok, key, dependencies: dependsOn(...parents) })),
    );
    const { error, metadata } = await expectRefusal(create(tasks), {
      code: "InvalidArgument",
      reason: "GRAPH_HAS_CYCLE",
    });
    const shown = metadata.cycle ?? "";
    const rotations = cycle.split(" -> ").slice(1);
    expect(shown.split(" -> ").slice(1).sort()).toEqual([...rotations].sort());
    expect(shown.split(" -> ")[0]).toBe(shown.split(" -> ").at(-1));
    // Each arrow leads from a parent to its child.
    const parentsOf = Object.assign({}, ...nodes) as Record<string, string[]>;
    const path = shown.split(" -> ");
    for (const [n, key] of path.slice(1).entries()) expect(parentsOf[key]).toContain(path[n]);
    expect(error.message).toContain(shown);
  });

  test("a cycle through ten thousand tasks is refused and shown in short", async () => {
    const tasks = Array.from({ length: 10_000 }, (_, n) => ({
      ...ok,
      key: `t${n}`,
      dependencies: dependsOn(`t${(n + 1) % 10_000}`),
    }));
    const { metadata } = await expectRefusal(create(tasks), { code: "InvalidArgument", reason: "GRAPH_HAS_CYCLE" });
    expect(metadata.cycle).toContain(" -> … -> ");
    expect(metadata.cycle?.length).toBeLessThan(200);
  });

  test("a task that depends on itself is a cycle of one", async () => {
    const { metadata } = await expectRefusal(create([ok, { ...ok, key: "self", dependencies: dependsOn("self") }]), {
      ...{ code: "InvalidArgument", reason: "GRAPH_HAS_CYCLE", fields: ["tasks[1].dependencies[0].key"] },
    });
    expect(metadata).toEqual({ cycle: "self -> self" });
  });

  test("an unknown key is named, with its field", async () => {
    const { metadata, error } = await expectRefusal(
      create([
        { ...ok, key: "a" },
        { ...ok, dependencies: dependsOn("a", "nobody") },
      ]),
      {
        ...{ code: "InvalidArgument", reason: "UNKNOWN_DEPENDENCY", fields: ["tasks[1].dependencies[1].key"] },
      },
    );
    expect(metadata).toEqual({ dependency: "nobody" });
    expect(error.message).toContain('"nobody"');
  });

  test("a duplicate key is named, with both places", async () => {
    const { metadata, error } = await expectRefusal(create([{ ...ok, key: "a" }, ok, { ...ok, key: "a" }]), {
      ...{ code: "InvalidArgument", reason: "DUPLICATE_KEY", fields: ["tasks[2].key"] },
    });
    expect(metadata).toEqual({ key: "a" });
    expect(error.message).toContain("tasks[0]");
  });

  test("the same parent twice, and a dependency on nothing", async () => {
    const twice = [
      { ...ok, key: "a" },
      { ...ok, dependencies: dependsOn("a", "a") },
    ];
    await expectRefusal(create(twice), invalid("tasks[1].dependencies[1]"));
    const [none, empty] = [{ condition: DependencyCondition.SUCCESS }, { parent: { case: "key" as const, value: "" } }];
    await expectRefusal(create([{ ...ok, dependencies: [none, empty] }]), {
      ...invalid("tasks[0].dependencies[0].parent", "tasks[0].dependencies[1].key"),
    });
    const noId = { parent: { case: "taskId" as const, value: "no uuid" } };
    await expectRefusal(create([{ ...ok, dependencies: [noId] }]), invalid("tasks[0].dependencies[0].task_id"));
  });
});

describe("bounds of a new task", () => {
  const cases: [what: string, task: TaskInit, ...fields: string[]][] = [
    ["no name", { ...ok, name: "" }, "tasks[0].name"],
    ["no kind", { ...ok, kind: "" }, "tasks[0].kind"],
    ["a name of 256 characters", { ...ok, name: "x".repeat(256) }, "tasks[0].name"],
    ["a kind of 101 characters", { ...ok, kind: "x".repeat(101) }, "tasks[0].kind"],
    ["a key of 256 characters", { ...ok, key: "x".repeat(256) }, "tasks[0].key"],
    ["a NUL in the name", { ...ok, name: "a\0b" }, "tasks[0].name"],
    ["a NUL in the kind", { ...ok, kind: "a\0b" }, "tasks[0].kind"],
    ["a NUL in the key", { ...ok, key: "a\0b" }, "tasks[0].key"],
    ["a NUL in the key of a parent", { ...ok, dependencies: dependsOn("a\0") }, "tasks[0].dependencies[0].key"],
    ["a priority over 1000", { ...ok, priority: 1001 }, "tasks[0].priority"],
    ["a priority below -1000", { ...ok, priority: -1001 }, "tasks[0].priority"],
    ["a negative expected_count", { ...ok, expectedCount: -1n }, "tasks[0].expected_count"],
    ["an unknown policy", { ...ok, unmetPolicy: 99 as UnmetPolicy }, "tasks[0].unmet_policy"],
    ["a negative policy", { ...ok, unmetPolicy: -1 as UnmetPolicy }, "tasks[0].unmet_policy"],
    ["a negative start_timeout", { ...ok, startTimeout: durationFromMs(-1) }, "tasks[0].start_timeout"],
    ["a negative inactivity_timeout", { ...ok, inactivityTimeout: durationFromMs(-1) }, "tasks[0].inactivity_timeout"],
    ["a negative execution_timeout", { ...ok, executionTimeout: durationFromMs(-1) }, "tasks[0].execution_timeout"],
    ["a start_timeout over a day", { ...ok, startTimeout: durationFromMs(86_400_001) }, "tasks[0].start_timeout"],
    ["a start_time before 1970", { ...ok, startTime: timestampFromMs(-1) }, "tasks[0].start_time"],
    ["a NUL in metadata", { ...ok, metadata: { a: { b: ["x", "\0"] } } }, "tasks[0].metadata.a.b[1]"],
    ["a NUL in a name in metadata", { ...ok, metadata: { "a\0": 1 } }, "tasks[0].metadata"],
    ["metadata of 64 KiB and a bit", { ...ok, metadata: { a: "x".repeat(64 * 1024) } }, "tasks[0].metadata"],
    ["an input of 1 MiB and a bit", { ...ok, input: value("x".repeat(1024 * 1024)) }, "tasks[0].input"],
    [
      "a NUL in a label",
      { ...ok, execution: { case: "worker", value: { requiredLabels: { ok: "a\0" } } } },
      'tasks[0].worker.required_labels["ok"]',
    ],
    [
      "too many labels",
      {
        ...ok,
        execution: {
          case: "worker",
          value: { requiredLabels: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`${n}`, ""])) },
        },
      },
      "tasks[0].worker.required_labels",
    ],
  ];
  test.each(cases)("%s", async (_what, task, ...fields) => {
    await expectRefusal(create([task]), invalid(...fields));
    await expectRefusal(
      server.client.tasks.createTasks({ tasks: [task], validateOnly: true, requestId: "dry" }),
      invalid(...fields),
    );
  });

  test("metadata nested a thousand deep is stored or refused, never an internal error", async () => {
    for (const depth of [29, 30, 50, 1_000, 30_000]) {
      const metadata = `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
      for (const part of ["metadata", "input"]) {
        const body = `{"validateOnly":true,"tasks":[{"name":"n","kind":"k","${part}":${metadata}}]}`;
        const response = await fetch(`${server.url}/millpond.v1.TaskService/CreateTasks`, {
          ...{ method: "POST", headers: { "content-type": "application/json" }, body },
        });
        const text = await response.text();
        expect([depth, part, response.status, text]).toEqual([
          ...[
            depth,
            part,
            depth > 29 ? 400 : 200,
            depth > 29 ? expect.stringContaining("INVALID_FIELD") : expect.anything(),
          ],
        ]);
      }
    }
  });

  test("input nested too deep by the binary protocol is INVALID_ARGUMENT", async () => {
    expect((await errorOf(create([{ ...ok, input: value(nested(45)) }]))).code).toBe(3);
  });
});

describe("bounds of a batch and of the call", () => {
  test.each<[string, MessageInitShape<typeof NewBatchSchema>, string]>([
    ["a name of 256 characters", { name: "x".repeat(256) }, "new_batch.name"],
    ["a NUL in the name", { name: "\0" }, "new_batch.name"],
    ["a NUL in metadata", { metadata: { a: "\0" } }, "new_batch.metadata.a"],
    ["metadata beyond its limit", { metadata: { a: "x".repeat(65_536) } as JsonObject }, "new_batch.metadata"],
  ])("%s", async (_what, batch, field) => {
    await expectRefusal(create([ok], batch), invalid(field));
  });

  test("a request_id that is too long or has a NUL, a batch_id that is no uuid", async () => {
    for (const requestId of ["x".repeat(256), "\0"]) {
      await expectRefusal(server.client.tasks.createTasks({ requestId, tasks: [ok] }), invalid("request_id"));
    }
    for (const id of ["", "x", "01900000-0000-7000-8000-00000000000g"]) {
      await expectRefusal(
        server.client.tasks.createTasks({ target: { case: "batchId", value: id }, tasks: [ok] }),
        invalid("batch_id"),
      );
    }
  });

  test("every violation of a request is listed, by path", async () => {
    await expectRefusal(create([{ ...ok, name: "" }, ok, { ...ok, kind: "", priority: 5000 }]), {
      ...invalid("tasks[0].name", "tasks[2].kind", "tasks[2].priority"),
    });
  });
});

describe("webhooks", () => {
  const hook = (url: string, headers: Record<string, string> = {}, body?: JsonValue): TaskInit => ({
    ...ok,
    execution: { case: "onStart", value: { url, headers, ...(body === undefined ? {} : { body: value(body) }) } },
  });

  test.each([
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://[fd00::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://0x0a000001/",
    "http://metadata.google.internal/",
    "http://printer.local/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://user:secret@example.com/",
    "/relative",
    "http://",
  ])("to %s are URL_FORBIDDEN", async (url) => {
    const { metadata } = await expectRefusal(create([ok, hook(url)]), {
      ...{ code: "InvalidArgument", reason: "URL_FORBIDDEN", fields: ["tasks[1].on_start.url"] },
    });
    expect(metadata).toEqual({ url: url.replace("user:secret@", "…@") });
  });

  test.each([
    ["Host", "x"],
    ["Content-Length", "1"],
    ["Transfer-Encoding", "chunked"],
    ["idempotency-key", "mine"],
    ["X-Task-Id", "mine"],
    ["traceparent", "mine"],
    ["Webhook-Signature", "v1,x"],
  ])("may not set the header %s", async (name, header) => {
    await expectRefusal(
      create([hook("http://example.com/", { [name]: header })]),
      invalid("tasks[0].on_start.headers"),
    );
  });

  test("take headers, a method, a body and a url within their bounds only", async () => {
    const headers = 'tasks[0].on_start.headers["a"]';
    await expectRefusal(create([hook("http://example.com/", { a: "x\r\ny: z" })]), invalid(headers));
    await expectRefusal(
      create([hook("http://example.com/", { "a b": "x" })]),
      invalid('tasks[0].on_start.headers["a b"]'),
    );
    await expectRefusal(
      create([hook("http://example.com/", { A: "1", a: "2" })]),
      invalid("tasks[0].on_start.headers"),
    );
    await expectRefusal(create([hook("")]), invalid("tasks[0].on_start.url"));
    await expectRefusal(create([hook(`http://example.com/${"x".repeat(2048)}`)]), invalid("tasks[0].on_start.url"));
    await expectRefusal(
      create([hook("http://example.com/", {}, "x".repeat(256 * 1024))]),
      invalid("tasks[0].on_start.body"),
    );
    const method: TaskInit = {
      ...ok,
      execution: { case: "onStart", value: { url: "http://example.com/", method: 9 as never } },
    };
    await expectRefusal(create([method]), invalid("tasks[0].on_start.method"));
  });
});

test("labels of any length within their bounds are stored", async () => {
  const random = (length: number) =>
    Array.from({ length }, () => String.fromCodePoint(0x4e00 + Math.floor(Math.random() * 20_000))).join("");
  const requiredLabels = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`${n}${random(90)}`, random(255)]));
  const task: TaskInit = { name: "n", kind: newKind(), execution: { case: "worker", value: { requiredLabels } } };
  const answer = await server.client.tasks.createTasks({ validateOnly: true, tasks: [task] });
  expect(answer.tasks).toHaveLength(1);
});
