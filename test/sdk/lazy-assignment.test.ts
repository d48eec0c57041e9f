import { inspect } from "node:util";
import { clone, create, equals, fromBinary, isMessage, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Assignment,
  AssignmentSchema,
  ClaimTasksResponseSchema,
  createGraph,
  TaskSchema,
  TaskStatus,
} from "@millpond/sdk";
import { expect, test } from "vitest";
import { headOf, inputOf, LazyAssignment } from "../../sdk/typescript/src/worker/lazy-assignment.ts";
import { readAssignments } from "../../sdk/typescript/src/worker/read-assignments.ts";
import { startWorker, waitFor } from "./support/start-worker.ts";

const message = create(AssignmentSchema, {
  attempt: 3,
  leaseExpireTime: timestampFromMs(1_000),
  task: {
    taskId: "t1",
    kind: "wörk",
    key: "a",
    input: { kind: { case: "structValue", value: { fields: { n: { kind: { case: "numberValue", value: 7 } } } } } },
    status: TaskStatus.RUNNING,
    attempt: 3,
    createTime: timestampFromMs(500),
    successCount: 2n,
  },
  parents: { p: { taskId: "t0", key: "p", status: TaskStatus.SUCCESS } },
  traceContext: { traceparent: "00-1" },
});

/** The message as a worker gets it. */
function setup({ after = new Uint8Array() } = {}): { assignment: Assignment; answer: Buffer } {
  const answer = Buffer.concat([
    toBinary(ClaimTasksResponseSchema, create(ClaimTasksResponseSchema, { assignments: [message] })),
    after,
  ]);
  const [assignment] = readAssignments(answer).assignments;
  if (!assignment) throw new Error("nothing was read");
  return { assignment, answer };
}

test("an assignment names its task, kind and attempt before it is decoded", () => {
  const { assignment } = setup();
  expect(assignment).toBeInstanceOf(LazyAssignment);
  expect(headOf(assignment)).toEqual({ taskId: "t1", kind: "wörk", attempt: 3 });
  expect(headOf(message)).toEqual({ taskId: "t1", kind: "wörk", attempt: 3 });
});

test("who looks into it finds the message", () => {
  const { assignment } = setup();
  expect(assignment.task).toEqual(message.task);
  expect(assignment.task).toBe(assignment.task);
  expect(assignment.leaseExpireTime).toEqual(message.leaseExpireTime);
  expect(assignment.parents).toEqual(message.parents);
  expect(assignment.traceContext).toEqual(message.traceContext);
});

test.each<[string, (assignment: Assignment) => unknown]>([
  ["spread", (assignment) => ({ ...assignment })],
  ["structured clone", (assignment) => structuredClone(assignment)],
  ["copy by the library", (assignment) => clone(AssignmentSchema, assignment)],
  ["encoding", (assignment) => fromBinary(AssignmentSchema, toBinary(AssignmentSchema, assignment))],
  ["assignment to another object", (assignment) => Object.assign({}, assignment)],
])("it survives: %s", (_, copy) => {
  expect(copy(setup().assignment)).toEqual({ ...message });
});

test("it is a message to the library, and prints as one", () => {
  const { assignment } = setup();
  expect(isMessage(assignment, AssignmentSchema)).toBe(true);
  expect(equals(AssignmentSchema, assignment, message)).toBe(true);
  expect(inspect(assignment)).toBe(inspect({ ...assignment }));
});

test("its input is there before and after it was decoded, detached and changed", () => {
  const { assignment } = setup();
  expect(inputOf(assignment)).toEqual(message.task?.input);
  (assignment as LazyAssignment).detach();
  expect(inputOf(assignment)).toEqual(message.task?.input);
  expect(assignment.task?.input).toEqual(message.task?.input);
  if (assignment.task) delete assignment.task.input;
  expect(inputOf(assignment)).toBeUndefined();
  expect(inputOf(message)).toBe(message.task?.input);
});

test("it can be changed", () => {
  const { assignment } = setup();
  assignment.attempt = 4;
  assignment.task = create(TaskSchema, { taskId: "t2" });
  expect(assignment).toMatchObject({ attempt: 4, task: { taskId: "t2" }, parents: { p: { taskId: "t0" } } });
});

test("what was detached does not depend on the answer any more", () => {
  const { assignment, answer } = setup();
  (assignment as LazyAssignment).detach();
  answer.fill(0);
  expect(assignment.task).toEqual(message.task);
  (assignment as LazyAssignment).detach();
  expect(assignment.task).toEqual(message.task);
});

test("fields that this version does not know are skipped in the answer, and kept in the assignment", () => {
  // Field 99, a varint, of the answer; then of an assignment.
  const unknown = Buffer.from([0x98, 0x06, 0x01]);
  expect(setup({ after: unknown }).assignment.task).toEqual(message.task);

  const bytes = Buffer.concat([toBinary(AssignmentSchema, message), unknown]);
  const answer = Buffer.concat([Buffer.from([0x0a, ...varint(bytes.length)]), bytes]);
  const [assignment] = readAssignments(answer).assignments;
  expect(assignment?.$unknown).toMatchObject([{ no: 99 }]);
  expect(assignment && toBinary(AssignmentSchema, assignment)).toEqual(
    toBinary(AssignmentSchema, fromBinary(AssignmentSchema, bytes)),
  );
});

test("a task in two parts is put together", () => {
  const later = create(AssignmentSchema, { task: { name: "later" } });
  const assignment = readOne(Buffer.concat([toBinary(AssignmentSchema, message), toBinary(AssignmentSchema, later)]));
  expect(assignment.task).toMatchObject({ taskId: "t1", name: "later" });
  expect(inputOf(assignment)).toEqual(message.task?.input);
});

test("of an input that comes twice, the last counts, as it does to the library", () => {
  const again = create(TaskSchema, { input: { kind: { case: "boolValue", value: true } } });
  const task = Buffer.concat([toBinary(TaskSchema, create(TaskSchema, message.task)), toBinary(TaskSchema, again)]);
  const assignment = readOne(Buffer.from([0x0a, ...varint(task.length), ...task]));
  expect(inputOf(assignment)).toEqual(again.input);
  expect(assignment.task?.input).toEqual(again.input);
});

test("an answer that breaks off is refused", () => {
  const { answer } = setup();
  for (let length = 1; length < answer.length; length++) {
    expect(() => readAssignments(answer.subarray(0, length))).toThrow();
  }
});

test.each([false, true])(
  "a handler gets the whole message, also after it has waited; compressed answers: %s",
  async (acceptCompression) => {
    const { server, client, worker } = await startWorker({}, { acceptCompression });
    const seen: unknown[] = [];
    worker.handle("work", async (assignment, context) => {
      await null;
      seen.push([
        assignment.task?.key,
        assignment.task?.status,
        assignment.attempt,
        context.input,
        Object.keys(context.parents),
      ]);
    });
    worker.start();
    const graph = createGraph();
    graph.task("a", { kind: "work", input: { n: 1 } });
    graph.task("b", { kind: "work", input: { n: 2 }, after: ["a"] });
    await client.tasks.createTasks(graph.toRequest());

    await waitFor(() => expect(server.engine.statusOf("b")).toBe(TaskStatus.SUCCESS));
    expect(seen).toEqual([
      ["a", TaskStatus.RUNNING, 1, { n: 1 }, []],
      ["b", TaskStatus.RUNNING, 1, { n: 2 }, ["a"]],
    ]);
  },
);

/** Reads the answer that holds one assignment, of these bytes. */
function readOne(bytes: Uint8Array): Assignment {
  const [assignment] = readAssignments(Buffer.from([0x0a, ...varint(bytes.length), ...bytes])).assignments;
  if (!assignment) throw new Error("nothing was read");
  return assignment;
}

/** Up to 2^14. */
function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >>> 7];
}
