import {
  type Assignment,
  ErrorReason,
  type MillpondClient,
  type ReportResult,
  type StreamReportsResponse,
  TaskStatus,
} from "@millpond/sdk";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";
import { MessageQueue } from "./message-queue.ts";
import { errorOf } from "./server-harness.ts";
import { expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();
afterAll(() => checkInvariants(server.setup.database.url));

type Requests = Parameters<MillpondClient["tasks"]["streamReports"]>[0];
type Request = Requests extends AsyncIterable<infer Message> ? Message : never;
type Report = NonNullable<Request["reports"]>[number];

const foreignId = "01900000-0000-7000-8000-000000000000";

/** A stream of reports that is open: what was answered so far, and how it ended. */
function open(client: Pick<MillpondClient, "tasks"> = server.client) {
  const requests = new MessageQueue<Request>();
  const answers: StreamReportsResponse[] = [];
  const read = async (): Promise<void> => {
    for await (const answer of client.tasks.streamReports(requests)) answers.push(answer);
  };
  const ended = read();
  ended.catch(() => {});
  onTestFinished(() => requests.end());
  return {
    ...{ answers, ended },
    send: (request: Request) => requests.push(request),
    end: () => requests.end(),
    reaches: (count: number) => until(`${count} messages are acknowledged`, () => answers.length >= count),
  };
}

const report = ({ task, attempt }: Assignment, how: Report["report"], counts = 0n): Report => ({
  ...{ taskId: task?.taskId ?? "", attempt, report: how ?? { case: undefined }, addSuccessCount: counts },
});
const heartbeat = { case: "heartbeat" as const, value: {} };
const success = (output?: string) => ({
  case: "success" as const,
  value: output === undefined ? {} : { output: { kind: { case: "stringValue" as const, value: output } } },
});

function said({ result }: ReportResult): string {
  if (result.case === "task") return TaskStatus[result.value.status];
  return result.case === "error" ? ErrorReason[result.value.reason] : "nothing";
}

async function running(count: number): Promise<Assignment[]> {
  const kind = newKind();
  await server.graph(Array.from({ length: count }, (_, n) => ({ key: `t${n}`, name: `t${n}`, kind })));
  return server.claim(kind, { max: count });
}

describe("StreamReports", () => {
  test("acknowledges each message in order, with a result for each of its reports", async () => {
    const [a, b, c] = (await running(3)) as [Assignment, Assignment, Assignment];
    const stream = open();
    stream.send({
      sequence: 5n,
      reports: [report(a, heartbeat, 2n), report(b, success("made")), report(a, success())],
    });
    const stale = { ...report(c, heartbeat), attempt: 7 };
    const foreign = { taskId: foreignId, report: heartbeat };
    stream.send({ sequence: 9n, reports: [report(b, success()), stale, foreign, report(c, heartbeat)] });
    stream.end();
    await stream.ended;
    expect(stream.answers.map((answer) => [answer.acknowledgedSequence, answer.results.map(said)])).toEqual([
      [5n, ["RUNNING", "SUCCESS", "SUCCESS"]],
      [9n, ["TASK_ENDED", "STALE_ATTEMPT", "TASK_NOT_FOUND", "RUNNING"]],
    ]);
    const [, second] = stream.answers;
    expect(second?.results.map(({ cancelRequested }) => cancelRequested)).toEqual([false, true, false, false]);
    expect((await server.task(a.task?.taskId ?? "")).successCount).toBe(2n);
    expect((await server.task(b.task?.taskId ?? "")).output?.kind).toMatchObject({ value: "made" });
  });

  test("takes two messages on a task in their order, however many are under way", async () => {
    const attempts = await running(20);
    const stream = open();
    let sequence = 0n;
    for (const attempt of attempts) {
      for (let n = 0; n < 10; n += 1) stream.send({ sequence: sequence++, reports: [report(attempt, heartbeat, 1n)] });
      stream.send({ sequence: sequence++, reports: [report(attempt, success(), 1n)], brief: true });
    }
    stream.end();
    await stream.ended;
    expect(stream.answers.map((answer) => answer.acknowledgedSequence)).toEqual(
      Array.from({ length: 220 }, (_, n) => BigInt(n)),
    );
    expect(new Set(stream.answers.flatMap(({ results }) => results.map(said)))).toEqual(
      new Set(["RUNNING", "SUCCESS"]),
    );
    for (const { task } of attempts) {
      expect(await server.task(task?.taskId ?? "")).toMatchObject({ status: TaskStatus.SUCCESS, successCount: 11n });
    }
    const closing = stream.answers[10]?.results[0]?.result;
    expect(closing?.case === "task" && closing.value).toMatchObject({
      status: TaskStatus.SUCCESS,
      kind: "",
      attempt: 1,
    });
  });

  test("ends with what is wrong with a message, after it has acknowledged those before", async () => {
    const [a] = (await running(1)) as [Assignment];
    const bad: [Request, string][] = [
      [{ sequence: 3n, reports: [report(a, heartbeat)] }, "sequence"],
      [{ sequence: 4n, reports: [] }, "reports"],
      [{ sequence: 4n, reports: [report(a, heartbeat, -1n)] }, "reports[0].add_success_count"],
    ];
    for (const [message, field] of bad) {
      const stream = open();
      stream.send({ sequence: 3n, reports: [report(a, heartbeat, 1n)] });
      stream.send(message);
      await expectRefusal(stream.ended, { code: "InvalidArgument", reason: "INVALID_FIELD", fields: [field] });
      expect(stream.answers.map((answer) => answer.acknowledgedSequence)).toEqual([3n]);
    }
    expect((await server.task(a.task?.taskId ?? "")).successCount).toBe(3n);
  });

  test("starts the children of what it ends", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "parent", name: "parent", kind },
      { key: "child", name: "child", kind, dependencies: [{ parent: { case: "key", value: "parent" } }] },
    ]);
    const parent = await server.claimOne(kind);
    const waiting = server.claim(kind, { waitMs: 30_000 });
    const stream = open();
    stream.send({ sequence: 1n, reports: [report(parent, success())] });
    expect((await waiting).map(({ task }) => task?.taskId)).toEqual([ids.child]);
    await stream.reaches(1);
  });

  test("of a server that stops is acknowledged as far as it was read, and ends with UNAVAILABLE", async () => {
    await using s = await setup();
    const other = await s.another();
    const { tasks } = await s.client.tasks.createTasks({ tasks: [{ name: "a", kind: "k" }] });
    await s.client.workers.claimTasks({ workerId: "w", kinds: ["k"], maxTasks: 1 });
    const taskId = tasks[0]?.taskId ?? "";
    const stream = open(s.client);
    let sent = 0n;
    const send = () => stream.send({ sequence: ++sent, reports: [{ taskId, report: heartbeat, addSuccessCount: 1n }] });
    const sending = setInterval(send, 1);
    await stream.reaches(20);
    const stopped = s.server.stop();
    expect((await errorOf(stream.ended)).message).toContain("shutting down");
    clearInterval(sending);
    await stopped;
    const { task } = await other.client.tasks.getTask({ taskId });
    expect(task?.successCount).toBe(stream.answers.at(-1)?.acknowledgedSequence);
  });
});
