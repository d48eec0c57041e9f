import { create, equals, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createIdCodec } from "../../src/domain/ids.ts";
import type { Parent, Task } from "../../src/domain/task.ts";
import { NewTaskSchema } from "../../src/gen/millpond/v1/task_pb.ts";
import { GetTaskResponseSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { AssignmentSchema } from "../../src/gen/millpond/v1/worker_pb.ts";
import { ClaimTasksResponseSchema } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { writeAssignments } from "../../src/wire/assignment-bytes.ts";
import { SpecFieldsCache } from "../../src/wire/spec-fields.ts";
import { encodeAssignment, encodeAttempt, encodeTask } from "../../src/wire/task.ts";
import { isPlainTask, writeTaskAnswer } from "../../src/wire/task-bytes.ts";

const failure = { cause: 1, message: "no room", code: "E1" };
const ids = createIdCodec(77n);
const names = {
  ...{ ids, kindOf: (queue: number) => `kind ${queue}`, workerOf: (worker: number) => `worker ${worker}` },
  specs: new SpecFieldsCache(),
};
const id = fc.bigInt({ min: 1n << 40n, max: 1n << 62n });
const micros = fc.integer({ min: 1_700_000_000_000_000, max: 4_000_000_000_000_000 });
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const text = fc.string({ unit: "grapheme", maxLength: 200 });
const json = fc.jsonValue({ maxDepth: 3 });
const object = fc.dictionary(text, json, { maxKeys: 5 });

const duration = fc.record({
  seconds: fc.bigInt({ min: 0n, max: 10n ** 6n }),
  nanos: fc.constantFrom(0, 1, 999_999_999),
});
const list = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 3 });
const matcher = fc.record({ kind: text, fields: list(text) });
const limit = fc.oneof(
  fc.record({ case: fc.constant("maxConcurrency"), value: fc.nat() }),
  fc.record({ case: fc.constant("maxCapacity"), value: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }) }),
  fc.record({ case: fc.constant("rate"), value: fc.record({ count: fc.nat(), window: duration }) }),
);
const retry = fc.record(
  {
    ...{
      maxAttempts: fc.nat(1000),
      initialBackoff: duration,
      multiplier: fc.double({ min: 1, max: 100, noNaN: true }),
    },
    ...{ increment: duration, maxBackoff: duration, jitter: fc.constantFrom(0, 0.1, 1) },
    ...{ retryCauses: list(fc.constantFrom(1, 3, 5)), nonRetryableCodes: list(text) },
  },
  { requiredKeys: [] },
);
const webhook = fc.record({ url: text, method: fc.nat(5), headers: fc.dictionary(text, text, { maxKeys: 3 }) });
const labels = fc.dictionary(text, text, { maxKeys: 3 });
/** What may have been given as a whole, one field or many. */
const spec = fc
  .record(
    {
      ...{ startTimeout: duration, inactivityTimeout: duration, executionTimeout: duration, totalTimeout: duration },
      ...{ retry, rules: list(fc.record({ name: text, matcher, limit })) },
      dedupe: list(fc.record({ kind: text, fields: list(text), statuses: list(fc.constantFrom(1, 2, 9)) })),
      execution: labels.map((requiredLabels) => ({ case: "worker" as const, value: { requiredLabels } })),
      ...{ onSuccess: list(webhook), onFailure: list(webhook), onCancel: list(webhook) },
      ...{ critical: fc.boolean(), onlyForDependents: fc.boolean() },
      ...{ fairnessKey: text, fairnessWeight: fc.nat(1000) },
    },
    { requiredKeys: [] },
  )
  .map((fields) => toJsonString(NewTaskSchema, create(NewTaskSchema, fields as never)));

const taskOf: fc.Arbitrary<Task> = fc.record({
  ...{
    id,
    batchId: id,
    queue: fc.nat(9),
    status: fc.constantFrom(2, 4, 6),
    attempt: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  },
  ...{ priority: fc.integer({ min: -1000, max: 1000 }), worker: orNull(fc.nat(9)), execution: fc.constantFrom(1, 3) },
  ...{ successCount: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), failureCount: fc.constantFrom(0n, 5n) },
  ...{ startTime: orNull(micros), leaseUntil: orNull(micros), claimTime: orNull(micros), runTime: orNull(micros) },
  ...{ activityTime: orNull(micros), endTime: orNull(micros), createTime: micros, depsLeft: fc.constant(0) },
  ...{ expectedCount: orNull(fc.constantFrom(0n, 7n)), givenVersion: text, edits: fc.nat(3) },
  ...{ cause: orNull(fc.constantFrom(1, 7)), culprit: fc.constant(null), message: orNull(text), code: orNull(text) },
  ...{ details: fc.constant(null), cancelReason: orNull(text), key: orNull(text), name: text },
  ...{ parents: orNull(fc.array(id, { maxLength: 4 })), parentConditions: orNull(fc.array(fc.constantFrom(1, 2, 3))) },
  ...{ metadata: orNull(object), input: orNull(json.map((value) => JSON.stringify(value))) },
  spec: orNull(spec),
  ...{ startTimeoutMs: fc.nat(100_000), inactivityTimeoutMs: fc.bigInt({ min: 0n, max: 10n ** 10n }) },
  ...{
    executionTimeoutMs: fc.constant(null),
    totalTimeoutMs: fc.constant(null),
    unmetPolicy: fc.constantFrom(0, 1, 2),
  },
  ...{ output: orNull(json.map((value) => JSON.stringify(value))), progress: orNull(fc.constant('"half"')) },
}) as fc.Arbitrary<Task>;

const parentOf: fc.Arbitrary<Parent> = fc.record({
  ...{ child: id, id, batchId: id, key: orNull(text), status: fc.constantFrom(6, 7, 8, 9) },
  ...{ output: orNull(json.map((value) => JSON.stringify(value))), outputOmitted: fc.boolean() },
});

test("assignments are written as the library would", () => {
  const assignment = fc.record({ task: taskOf, parents: fc.array(parentOf, { maxLength: 3 }) });
  fc.assert(
    fc.property(fc.array(assignment, { minLength: 1, maxLength: 4 }), (assignments) => {
      // Half of the parents are of the task's own batch: those go by their keys.
      const given = assignments.map(({ task, parents }) => ({
        task,
        parents: parents.map((parent, n) => (n % 2 === 0 ? { ...parent, batchId: task.batchId } : parent)),
      }));
      const bytes = Buffer.concat([Buffer.from([0x0a]), writeAssignments(given, names)]);
      // The second time, of what is kept.
      expect(bytes.subarray(1).equals(writeAssignments(given, names))).toBe(true);
      const read = fromBinary(ClaimTasksResponseSchema, bytes).assignments;
      expect(read).toHaveLength(given.length);
      for (const [n, { task, parents }] of given.entries()) {
        const whole = toBinary(AssignmentSchema, encodeAssignment(task, parents, names));
        if (given.length === 1 && parents.length === 0)
          expect(bytes.subarray(-whole.length)).toEqual(Buffer.from(whole));
        const expected = fromBinary(AssignmentSchema, whole);
        const same = equals(AssignmentSchema, read[n] as never, expected);
        if (!same) expect(read[n]).toEqual(expected);
        expect(same).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test("a task that is asked for is written as the library would", () => {
  const record = fc.record({ attempt: fc.nat(3), status: fc.constantFrom(null, 6, 7), worker: orNull(fc.nat(9)) });
  fc.assert(
    fc.property(taskOf.filter(isPlainTask), fc.array(record, { maxLength: 2 }), (task, records) => {
      const times = { claimTime: task.claimTime, startTime: task.runTime, endTime: task.endTime, progress: null };
      const attempts = records.map((kept) =>
        encodeAttempt({ ...kept, ...times, ...failure, details: null, culprit: null }, task, names),
      );
      const response = create(GetTaskResponseSchema);
      response.$unknown = writeTaskAnswer(task, attempts, names);
      const told = toBinary(GetTaskResponseSchema, response);
      const whole = create(GetTaskResponseSchema, { task: encodeTask(task, names), attempts });
      const expected = fromBinary(GetTaskResponseSchema, toBinary(GetTaskResponseSchema, whole));
      expect(fromBinary(GetTaskResponseSchema, told)).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});
