import { create, fromJson, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { NewBatchSchema } from "../../src/gen/millpond/v1/batch_pb.ts";
import { NewTaskSchema } from "../../src/gen/millpond/v1/task_pb.ts";
import { checkWebhooks } from "../../src/rpc/check-webhooks.ts";
import { createUrlGuard } from "../../src/webhooks/url-guard.ts";

type TaskInit = MessageInitShape<typeof NewTaskSchema>;

const guard = createUrlGuard({ allowLoopback: false });
const good = { url: "https://example.com/" };
const forbidden = { url: "http://10.0.0.1/" };

function refusal(task: TaskInit, batch: MessageInitShape<typeof NewBatchSchema> = {}): MillpondError | undefined {
  try {
    const tasks = [create(NewTaskSchema, { execution: { case: "onStart", value: good } }), create(NewTaskSchema, task)];
    checkWebhooks(guard, tasks, create(NewBatchSchema, batch));
  } catch (error) {
    if (error instanceof MillpondError) return error;
    throw error;
  }
  return undefined;
}

it("lets webhooks through that may be called", () => {
  expect(refusal({ onSuccess: [good], onFailure: [good], onCancel: [good] }, { onComplete: [good] })).toBeUndefined();
  expect(() => checkWebhooks(guard, [], undefined)).not.toThrow();
});

it.each<[string, TaskInit]>([
  ["tasks[1].on_start", { execution: { case: "onStart", value: forbidden } }],
  ["tasks[1].on_success[0]", { onSuccess: [forbidden] }],
  ["tasks[1].on_failure[1]", { onFailure: [good, forbidden] }],
  ["tasks[1].on_cancel[0]", { onCancel: [forbidden] }],
])("refuses a forbidden URL at %s", (field, task) => {
  const error = refusal(task);
  expect(error).toMatchObject({ reason: "URL_FORBIDDEN", metadata: forbidden });
  expect(error?.violations).toEqual([{ field: `${field}.url`, description: expect.stringContaining("private") }]);
});

it("refuses a forbidden URL of a batch, headers that may not be set, and bodies that are too large", () => {
  const batchError = refusal({}, { onComplete: [good, forbidden] });
  expect(batchError).toMatchObject({
    reason: "URL_FORBIDDEN",
    violations: [{ field: "new_batch.on_complete[1].url" }],
  });
  const headers = refusal({ onSuccess: [{ ...good, headers: { Host: "h" } }] });
  expect(headers).toMatchObject({ reason: "INVALID_FIELD", violations: [{ field: "tasks[1].on_success[0].headers" }] });
  const body = fromJson(ValueSchema, "x".repeat(256 * 1024));
  const large = refusal({ onCancel: [{ ...good, body }] });
  expect(large).toMatchObject({ reason: "INVALID_FIELD", violations: [{ field: "tasks[1].on_cancel[0].body" }] });
});

it.each([
  ["http://user:hunter2@example.com/a@b", "http://…@example.com/a@b"],
  ["http://hunter2@10.0.0.1", "http://…@10.0.0.1"],
  ["http:\\\\a:hunter2@b@example.com\\x", "http:\\\\…@example.com\\x"],
])("repeats no credentials of a URL that it refuses: %s", (url, shown) => {
  const error = refusal({ onSuccess: [{ url }] });
  expect(error?.metadata).toEqual({ url: shown });
  expect(error?.message).not.toContain("hunter2");
});
