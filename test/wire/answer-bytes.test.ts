import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { createIdCodec } from "../../src/domain/ids.ts";
import type { Batch } from "../../src/domain/task.ts";
import { CreateTasksResponseSchema, ReportTasksResponseSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { encodeBatch } from "../../src/wire/batch.ts";
import { writeCreatedTasks } from "../../src/wire/created-task-bytes.ts";
import { encodeItemResult, type ItemOutcome } from "../../src/wire/report.ts";
import { writeReportResults } from "../../src/wire/report-result-bytes.ts";

const ids = createIdCodec(77n);
const names = { ids, kindOf: () => "", workerOf: () => "" };
const id = fc.bigInt({ min: 1n << 40n, max: 1n << 62n });

test("results of reports are written as the library would write them, byte for byte", () => {
  const taken = fc.record({ id, status: fc.integer({ min: 0, max: 9 }), attempt: fc.nat(2 ** 31 - 1) });
  const outcome: fc.Arbitrary<ItemOutcome> = fc.oneof(
    { weight: 3, arbitrary: taken.map((reported) => ({ state: undefined, reported, error: undefined })) },
    fc.string().map((text) => ({ state: undefined, error: new MillpondError("STALE_ATTEMPT", text) })),
  );
  fc.assert(
    fc.property(fc.array(outcome), (outcomes) => {
      const message = create(ReportTasksResponseSchema);
      message.$unknown = writeReportResults(outcomes, names);
      const results = outcomes.map((each) => encodeItemResult(each, names));
      const expected = create(ReportTasksResponseSchema, { results });
      const bytes = toBinary(ReportTasksResponseSchema, message);
      expect(Buffer.from(bytes)).toEqual(Buffer.from(toBinary(ReportTasksResponseSchema, expected)));
      expect(fromBinary(ReportTasksResponseSchema, bytes)).toEqual(expected);
    }),
  );
});

test("created tasks and their batch are written as the library would write them, byte for byte", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 300 });
  const task = fc.record({
    ...{ key: text, taskId: fc.oneof(fc.constant(""), id.map(ids.encode)) },
    ...{ status: fc.integer({ min: 0, max: 9 }), deduplicated: fc.boolean() },
  });
  const count = fc.nat(2 ** 31 - 1);
  const micros = fc.integer({ min: 0, max: 4_000_000_000_000_000 });
  const amount = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n });
  const batch: fc.Arbitrary<Batch> = fc.record({
    ...{ id, name: text, metadata: fc.dictionary(text, fc.jsonValue()), status: fc.integer({ min: 0, max: 5 }) },
    ...{ open: fc.boolean(), total: count, byStatus: fc.array(fc.oneof(fc.constant(0), count), fixedLength(9)) },
    ...{ successCount: amount, failureCount: amount, expectedCount: fc.option(amount), createTime: micros },
    ...{ endTime: fc.option(micros), stopReason: fc.option(text) },
  });
  fc.assert(
    fc.property(batch, fc.array(task), (batch, tasks) => {
      const message = create(CreateTasksResponseSchema);
      message.$unknown = writeCreatedTasks({ batch, ids }, tasks);
      const expected = create(CreateTasksResponseSchema, { batch: encodeBatch(batch, ids), tasks: tasks as never });
      expect(Buffer.from(toBinary(CreateTasksResponseSchema, message))).toEqual(
        Buffer.from(toBinary(CreateTasksResponseSchema, expected)),
      );
    }),
  );
});

const fixedLength = (length: number) => ({ minLength: length, maxLength: length });
