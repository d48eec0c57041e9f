import dns from "node:dns";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState, FailureCause, TaskStatus } from "@millpond/sdk";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { postJson } from "./server-harness.ts";
import { eventually, expectRefusal, newKind, type SharedServer, sharedServer, type TaskInit } from "./shared-server.ts";
import { taskHistory } from "./task-history.ts";

/** What no setting opens. */
const neverOpen = [
  "http://169.254.169.254/latest/meta-data",
  "http://2852039166/",
  "http://0xA9FEA9FE/",
  "http://0251.0376.0251.0376/",
  "http://169.254.43518/",
  "http://１６９.２５４.１６９.２５４/",
  "http://169.254.169.254./",
  "http://[::ffff:169.254.169.254]/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[64:ff9b::a9fe:a9fe]/",
  "http://[fd00:ec2::254]/",
  "http://100.100.100.200/",
  "http://metadata.google.internal./computeMetadata/v1/",
  "http://metadata/",
  "http://instance-data/latest",
  "http://169.254.0.1/",
  "http://[fe80::1]/",
  "http://[fe80::1%25eth0]/",
  "http://0.0.0.0/",
  "http://[::]/",
  "http://user:hunter2@example.com/",
  "http://example.com@169.254.169.254/",
  "ftp://example.com/",
  "file:///etc/passwd",
] as const;

/** What only the setting for loopback opens. */
const loopback = [
  "http://127.0.0.1/",
  "http://127.1/",
  "http://2130706433/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://１２７.０.０.１/",
  "http://127.0.0.1./",
  "http://[::1]/",
  "http://localhost/",
  "http://LOCALHOST./",
  "http://a.localhost/",
] as const;

/** What MILLPOND_WEBHOOK_ALLOW_HOSTS can open. */
const privateHosts = [
  "http://10.0.0.1/",
  "http://0xa000001/",
  "http://192.168.1.1/",
  "http://[fd12::1]/",
  "http://printer.local/",
];

const strict = sharedServer({ MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "false" });
const wide = sharedServer({
  MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "false",
  MILLPOND_WEBHOOK_ALLOW_HOSTS: "0.0.0.0/0,::/0,localhost,*.localhost,*.local,127.0.0.1,169.254.169.254,fd00:ec2::254",
});
const local = sharedServer();

/** Where a creation may name a webhook. */
const places: Readonly<
  Record<string, (url: string) => { task?: TaskInit; batch?: { onComplete: { url: string }[] } }>
> = {
  "tasks[1].on_start.url": (url) => ({ task: { execution: { case: "onStart", value: { url } } } }),
  "tasks[1].on_success[0].url": (url) => ({ task: { onSuccess: [{ url }] } }),
  "tasks[1].on_failure[1].url": (url) => ({ task: { onFailure: [{ url: "http://example.com/" }, { url }] } }),
  "tasks[1].on_cancel[0].url": (url) => ({ task: { onCancel: [{ url }] } }),
  "new_batch.on_complete[0].url": (url) => ({ batch: { onComplete: [{ url }] } }),
};

const forbidden = (field: string) => ({ code: "InvalidArgument" as const, reason: "URL_FORBIDDEN", fields: [field] });

async function expectForbidden(server: SharedServer, field: string, url: string): Promise<void> {
  const { task = {}, batch = {} } = places[field]?.(url) ?? {};
  const kind = newKind();
  const tasks = [
    { name: "good", kind },
    { name: "bad", kind, ...task },
  ];
  const create = server.client.tasks.createTasks({ target: { case: "newBatch", value: batch }, tasks });
  const { error, metadata } = await expectRefusal(create, forbidden(field));
  expect(metadata).toEqual({ url: url.replace(/\/\/[^/@]+@/, "//…@") });
  expect(error.rawMessage.startsWith(`${field}: `)).toBe(true);
}

describe.each(Object.keys(places))("a URL that leads where no webhook may go is refused at %s", (field) => {
  test("whatever its spelling, and nothing is created", async () => {
    const before = await strict.rows();
    for (const url of [...neverOpen, ...loopback, ...privateHosts]) await expectForbidden(strict, field, url);
    expect(await strict.rows()).toEqual(before);
  });

  test("also with lists of allowed hosts that hold everything", async () => {
    const before = await wide.rows();
    for (const url of [...neverOpen, ...loopback]) await expectForbidden(wide, field, url);
    expect(await wide.rows()).toEqual(before);
  });

  test("also where loopback is open, but for loopback itself", async () => {
    for (const url of [...neverOpen, ...privateHosts]) await expectForbidden(local, field, url);
  });
});

test("the list of allowed hosts opens what is private", async () => {
  const webhooks = privateHosts.map((url) => ({ url }));
  const { batchId } = await wide.graph([{ key: "a", name: "a", kind: newKind(), onCancel: webhooks.slice(0, 3) }], {
    ...{ open: true, onComplete: webhooks.slice(3) },
  });
  expect(await wide.stats(batchId)).toEqual({ PENDING: 1 });
});

test("a URL is refused alike as plain JSON, and in an upload at the place that the task has in all of it", async () => {
  const [url] = neverOpen;
  const task = { name: "a", kind: newKind() };
  const body = JSON.stringify({ tasks: [task, { ...task, onStart: { url } }] });
  const answer = await postJson(`${strict.url}/millpond.v1.TaskService/CreateTasks`, body);
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("tasks[1].on_start.url: ")]);
  async function* upload() {
    yield { target: { case: "newBatch" as const, value: {} }, tasks: [task, task] };
    yield { tasks: [task, { ...task, onCancel: [{ url }] }] };
  }
  await expectRefusal(strict.client.tasks.uploadTasks(upload()), forbidden("tasks[3].on_cancel[0].url"));
});

test("a start whose answer asks for a call to stop that may not be made fails, once, and such a call is never made", async () => {
  const history = taskHistory(local);
  const wrong = [...neverOpen, ...privateHosts];
  await Promise.all(
    wrong.map(async (url) => {
      await using target = await startReceiver((response) => response.end(JSON.stringify({ cancel: { url } })));
      const { taskId } = await history.single({
        execution: { case: "onStart", value: { url: target.url } },
        retry: { maxAttempts: 3, initialBackoff: durationFromMs(1) },
      });
      const { failure } = await history.reaches(taskId, "FAILURE");
      expect([url, failure?.cause, failure?.code]).toEqual([url, FailureCause.START_FAILED, "URL_FORBIDDEN"]);
      expect(failure?.message).toMatch(/^the cancel webhook of the answer is refused: /);
      expect(failure?.message).not.toContain("hunter2");
      expect(await history.outcomes(taskId)).toEqual(["1 FAILURE START_FAILED"]);
      expect(target.calls).toHaveLength(1);
      expect((await local.client.deliveries.listDeliveries({ taskId })).deliveries).toEqual([]);
    }),
  );
});

describe("a name whose address changes", () => {
  const name = "rebind.example.com";
  const message = `the webhook may not be called: host "${name}" resolves to 169.254.169.254, which is not allowed`;

  /** A whole server for which the name has these addresses, one after the other, and a receiver at the first kind of them that asks to be called again. */
  async function rebound(...addresses: string[]) {
    const resolve = dns.lookup;
    const look = vi.spyOn(dns, "lookup");
    look.mockImplementation(((hostname: string, options: dns.LookupAllOptions, callback: LookupCallback) => {
      if (hostname !== name) return resolve(hostname, options, callback);
      callback(null, [{ address: addresses.shift() ?? "169.254.169.254", family: 4 }]);
    }) as typeof dns.lookup);
    onTestFinished(() => look.mockRestore());
    const target = await startReceiver((response) => response.writeHead(503, { connection: "close" }).end());
    const started = await setup();
    onTestFinished(async () => {
      await started[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    });
    return { ...started, target, url: `http://${name}:${target.port}/start` };
  }

  test.each([
    ["after the creation", []],
    ["after the first call", ["127.0.0.1"]],
  ])("%s is not called any more by starts", async (_when, addresses) => {
    const { client, target, url } = await rebound(...addresses);
    const { tasks } = await client.tasks.createTasks({
      tasks: [
        {
          ...{ name: "a", kind: "k", execution: { case: "onStart", value: { url } } },
          retry: { maxAttempts: 9, initialBackoff: durationFromMs(1), jitter: 0 },
        },
      ],
    });
    const [{ taskId } = { taskId: "" }] = tasks;
    const { attempts } = await eventually(async () => {
      const found = await client.tasks.getTask({ taskId });
      return found.task?.status === TaskStatus.FAILURE ? found : undefined;
    }, "the task to fail");
    expect(attempts.map(({ failure }) => failure?.code)).toEqual([...addresses.map(() => "HTTP_503"), "URL_FORBIDDEN"]);
    expect(attempts.at(-1)?.failure?.message).toContain(message);
    expectCalls(target, addresses.length);
  });

  test.each([
    ["after the creation", []],
    ["after the first call", ["127.0.0.1"]],
  ])("%s is not called any more by deliveries", async (_when, addresses) => {
    const { client, target, url, database } = await rebound(...addresses);
    await client.tasks.createTasks({ target: { case: "newBatch", value: { onComplete: [{ url }] } }, tasks: [] });
    const exhausted = await eventually(async () => {
      await withClient(database.url, (pg) => pg.query("update delivery set due = now() where last_status_code = 503"));
      const { deliveries } = await client.deliveries.listDeliveries({ states: [DeliveryState.EXHAUSTED] });
      return deliveries[0];
    }, "the delivery to be given up");
    expect(exhausted).toMatchObject({ attemptCount: addresses.length + 1, lastStatusCode: 0 });
    expect(exhausted.lastError).toContain(message);
    expectCalls(target, addresses.length);
  });

  function expectCalls(target: Receiver, count: number): void {
    expect([target.calls.length, target.connectionCount]).toEqual([count, count]);
    for (const { headers } of target.calls) expect(headers.host).toBe(`${name}:${target.port}`);
  }
});

type LookupCallback = (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void;
