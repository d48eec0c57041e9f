import { FailureCause, TaskStatus } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { startReceiver } from "../webhooks/receiver.ts";
import { dependsOn, eventually, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

async function receiverUrl(): Promise<string> {
  const target = await startReceiver((response) => response.writeHead(202).end());
  onTestFinished(() => target[Symbol.asyncDispose]());
  return target.url;
}

const push = (key: string, url: string, kind: string): TaskInit => ({
  ...{ key, name: key, kind, dependencies: dependsOn("parent") },
  execution: { case: "onStart", value: { url } },
});

async function statusIs(taskId: string, status: TaskStatus): Promise<void> {
  await eventually(
    async () => ((await server.task(taskId)).status === status ? true : undefined),
    `the task to be ${TaskStatus[status]}`,
  );
}

test("a task whose start call cannot be made fails alone", async () => {
  const url = await receiverUrl();
  const kind = newKind();
  const pushed = newKind();
  const { ids } = await server.graph([
    { key: "parent", name: "parent", kind },
    push("good", url, pushed),
    push("bad", url, pushed),
  ]);
  await server.query(`update task set spec = '{"name":"bad"}' where name = 'bad'`);
  await server.succeed(await server.claimOne(kind));
  await statusIs(ids.good ?? "", TaskStatus.RUNNING);
  await statusIs(ids.bad ?? "", TaskStatus.FAILURE);
  expect((await server.task(ids.bad ?? "")).failure?.cause).toBe(FailureCause.START_FAILED);
});

test("what was claimed and cannot be read is given back, and started as soon as it can be", async () => {
  const url = await receiverUrl();
  const kind = newKind();
  const { ids } = await server.graph([{ key: "parent", name: "parent", kind }, push("child", url, newKind())]);
  const parent = await server.claimOne(kind);
  await server.query("alter table task rename column input to input_away");
  await server.succeed(parent);
  const attempts = async (): Promise<number> => {
    const rows = await server.query<{ attempt: number }>("select max(attempt) attempt from task_state");
    return rows[0]?.attempt ?? 0;
  };
  await eventually(async () => ((await attempts()) > 1 ? true : undefined), "a second claim");
  await server.query("alter table task rename column input_away to input");
  await statusIs(ids.child ?? "", TaskStatus.RUNNING);
});
