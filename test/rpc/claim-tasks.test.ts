import { durationFromMs, durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, eventually, expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

const keysOf = (assignments: readonly { task?: { key: string } | undefined }[]) =>
  assignments.map(({ task }) => task?.key);

describe("what a claim takes", () => {
  test("the most urgent first, then in order of creation, and the answer is in that order", async () => {
    const kind = newKind();
    const priorities = { low: -5, b: 0, urgent: 1000, c: 0, last: -1000, high: 7 };
    await server.graph(Object.entries(priorities).map(([key, priority]) => ({ key, name: key, kind, priority })));
    expect(keysOf(await server.claim(kind, { max: 2 }))).toEqual(["urgent", "high"]);
    expect(keysOf(await server.claim(kind, { max: 10 }))).toEqual(["b", "c", "low", "last"]);
    expect(await server.claim(kind, { max: 10 })).toEqual([]);
  });

  test("max_tasks at most, one when it is not given; each is RUNNING for the worker under its lease", async () => {
    const kind = newKind();
    await server.graph([1, 2, 3, 4].map((n) => ({ key: `${n}`, name: "t", kind, input: undefined, metadata: { n } })));
    const sentMs = Date.now();
    const { assignments } = await server.client.workers.claimTasks({
      ...{ workerId: "worker-1", kinds: [kind], lease: durationFromMs(5_000) },
    });
    expect(assignments).toHaveLength(1);
    const [{ task, attempt, leaseExpireTime } = { task: undefined }] = assignments;
    expect(attempt).toBe(1);
    expect(task).toMatchObject({ status: TaskStatus.RUNNING, workerId: "worker-1", attempt: 1, metadata: { n: 1 } });
    expect(task?.claimTime).toEqual(task?.runTime);
    expect(task?.leaseExpireTime).toEqual(leaseExpireTime);
    const leaseMs = leaseExpireTime === undefined ? 0 : timestampMs(leaseExpireTime) - sentMs;
    expect(leaseMs).toBeGreaterThan(4_900);
    expect(leaseMs).toBeLessThan(10_000);
    expect(await server.claim(kind, { max: 2 })).toHaveLength(2);
  });

  test("of the kinds that were asked for, from two kinds at once", async () => {
    const [one, two, three] = [newKind(), newKind(), newKind()];
    await server.graph([
      { key: "1", name: "1", kind: one },
      { key: "2", name: "2", kind: two, priority: 3 },
      { key: "3", name: "3", kind: three },
    ]);
    const { assignments } = await server.client.workers.claimTasks({ workerId: "w", kinds: [one, two], maxTasks: 9 });
    expect(keysOf(assignments)).toEqual(["2", "1"]);
  });

  test("only tasks whose required labels the worker has", async () => {
    const kind = newKind();
    const labeled = (key: string, requiredLabels: Record<string, string>) => ({
      ...{ key, name: key, kind, execution: { case: "worker" as const, value: { requiredLabels } } },
    });
    await server.graph([
      labeled("none", {}),
      labeled("gpu", { gpu: "a100" }),
      labeled("both", { gpu: "a100", zone: "x" }),
      labeled("odd", { constructor: "x" }),
    ]);
    const claim = async (labels: Record<string, string>) => keysOf(await server.claim(kind, { max: 9, labels }));
    expect(await claim({ gpu: "h100" })).toEqual(["none"]);
    expect(await claim({ gpu: "a100", zone: "y", more: "z" })).toEqual(["gpu"]);
    expect(await claim({ zone: "x", gpu: "a100" })).toEqual(["both"]);
    expect(await claim({})).toEqual([]);
    expect(await claim({ constructor: "x" })).toEqual(["odd"]);
  });

  test("each task once, however many workers ask at the same time on two servers", async () => {
    const kind = newKind();
    const other = await server.setup.another();
    await server.graph(Array.from({ length: 60 }, (_, n) => ({ key: `t${n}`, name: "t", kind })));
    const claims = Array.from({ length: 20 }, (_, n) =>
      (n % 2 === 0 ? server.client : other.client).workers.claimTasks({
        workerId: `w${n}`,
        kinds: [kind],
        maxTasks: 5,
      }),
    );
    const taken = (await Promise.all(claims)).flatMap(({ assignments }) => keysOf(assignments));
    expect(new Set(taken).size).toBe(taken.length);
    const rest = keysOf(await server.claim(kind, { max: 100 }));
    expect(new Set([...taken, ...rest]).size).toBe(60);
    expect(taken.length + rest.length).toBe(60);
  });
});

describe("waiting", () => {
  test("ends with the commit that makes a task ready: its creation, or its parent's success", async () => {
    const kind = newKind();
    const waiting = server.claim(kind, { waitMs: 20_000 });
    const created = server.graph([
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind, dependencies: dependsOn("a") },
    ]);
    const [a] = await waiting;
    await created;
    expect(a?.task?.key).toBe("a");
    const next = server.claim(kind, { waitMs: 20_000 });
    if (a === undefined) return;
    await server.succeed(a);
    const [b] = await next;
    expect(b?.task?.key).toBe("b");
  });

  test("ends on another server than the one where the task became ready", async () => {
    const kind = newKind();
    const other = await server.setup.another();
    await server.graph([{ key: "seen", name: "seen", kind }]);
    await server.claim(kind);
    const waiting = other.client.workers.claimTasks({
      workerId: "w",
      kinds: [kind],
      waitTimeout: durationFromMs(20_000),
    });
    await server.graph([{ key: "a", name: "a", kind }]);
    expect(keysOf((await waiting).assignments)).toEqual(["a"]);
  });

  test("ends with nothing at wait_timeout, and at once without one", async () => {
    const kind = newKind();
    const startedMs = performance.now();
    expect(await server.claim(kind)).toEqual([]);
    const waitTimeout = durationFromMs(300);
    expect(await server.claim(kind, { waitMs: durationMs(waitTimeout) })).toEqual([]);
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThan(290);
    expect(tookMs).toBeLessThan(30_000);
  });

  test("a deadline that is shorter ends it, and takes nothing", async () => {
    const kind = newKind();
    const call = server.client.workers.claimTasks(
      { workerId: "w", kinds: [kind], waitTimeout: durationFromMs(30_000) },
      { timeoutMs: 150 },
    );
    await expect(call).rejects.toMatchObject({ code: 4 });
    const { ids } = await server.graph([{ key: "a", name: "a", kind }]);
    expect(await server.status(ids.a ?? "")).toBe("PENDING");
    expect(keysOf(await server.claim(kind))).toEqual(["a"]);
  });

  test("a worker that has gone while it waited gets nothing: the task is there for the next one", async () => {
    const kind = newKind();
    const controller = new AbortController();
    const gone = server.client.workers.claimTasks(
      { workerId: "gone", kinds: [kind], waitTimeout: durationFromMs(60_000), lease: durationFromMs(60_000) },
      { signal: controller.signal },
    );
    await eventually(async () => {
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      return /^millpond_claims_waiting 1$/m.test(metrics) || undefined;
    }, "the worker to wait");
    controller.abort();
    await expect(gone).rejects.toMatchObject({ code: 1 });
    await server.graph([{ key: "a", name: "a", kind }]);
    const [next] = await server.claim(kind, { waitMs: 10_000 });
    expect(next?.task).toMatchObject({ key: "a", workerId: "w" });
  });

  test("many workers share what comes: nobody is given what another one has", async () => {
    const kind = newKind();
    const waiting = Array.from({ length: 10 }, (_, n) =>
      server.client.workers.claimTasks({ workerId: `w${n}`, kinds: [kind], waitTimeout: durationFromMs(2_000) }),
    );
    await server.graph([1, 2, 3, 4, 5, 6].map((n) => ({ key: `${n}`, name: "t", kind })));
    const taken = (await Promise.all(waiting)).flatMap(({ assignments }) => keysOf(assignments));
    expect(taken.sort()).toEqual(["1", "2", "3", "4", "5", "6"]);
  });
});

describe("bounds", () => {
  const claim = { workerId: "w", kinds: ["k"] };
  test.each([
    ["no worker_id", { ...claim, workerId: "" }, "worker_id"],
    ["no kinds", { ...claim, kinds: [] }, "kinds"],
    ["an empty kind", { ...claim, kinds: [""] }, "kinds[0]"],
    ["too many tasks", { ...claim, maxTasks: 1001 }, "max_tasks"],
    ["negative tasks", { ...claim, maxTasks: -1 }, "max_tasks"],
    ["a wait over 60 s", { ...claim, waitTimeout: durationFromMs(60_001) }, "wait_timeout"],
    ["a negative wait", { ...claim, waitTimeout: durationFromMs(-1) }, "wait_timeout"],
    ["a lease below 1 s", { ...claim, lease: durationFromMs(999) }, "lease"],
    ["a lease of nothing", { ...claim, lease: durationFromMs(0) }, "lease"],
    ["a lease over 1 h", { ...claim, lease: durationFromMs(3_600_001) }, "lease"],
    ["a NUL in a label", { ...claim, labels: { a: "\0" } }, 'labels["a"]'],
  ])("%s is INVALID_FIELD", async (_what, request, field) => {
    await expectRefusal(server.client.workers.claimTasks(request), {
      ...{ code: "InvalidArgument", reason: "INVALID_FIELD", fields: [field] },
    });
  });
});
