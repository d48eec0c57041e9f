import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ErrorReason, ReportTasksResponseSchema, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { readOutcomes } from "../../sdk/typescript/src/worker/read-outcomes.ts";

const task = { case: "task", value: { taskId: "t1", status: TaskStatus.SUCCESS, attempt: 1 } } as const;

function encode(response: MessageInitShape<typeof ReportTasksResponseSchema>): Uint8Array {
  return toBinary(ReportTasksResponseSchema, create(ReportTasksResponseSchema, response));
}

test("what was refused, and who is to stop, comes in its place; what was taken is left unset", () => {
  const error = { case: "error", value: { reason: ErrorReason.TASK_ENDED, message: "ended" } } as const;
  const { results } = readOutcomes(
    encode({ results: [{ result: task }, { result: error }, { result: task, cancelRequested: true }, {}] }),
  );
  expect(results).toMatchObject([
    { result: { case: undefined }, cancelRequested: false },
    { result: error, cancelRequested: false },
    { result: { case: "task", value: { taskId: "t1" } }, cancelRequested: true },
    { result: { case: undefined }, cancelRequested: false },
  ]);
});

test("an answer that breaks off is refused", () => {
  const bytes = encode({ results: [{ result: task }] });
  for (let length = 1; length < bytes.length; length++) {
    expect(() => readOutcomes(bytes.subarray(0, length))).toThrow();
  }
});
