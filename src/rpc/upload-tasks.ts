import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { type UploadTasks, uploadTasks as uploadTasksCommand } from "../commands/upload-tasks.ts";
import { invalidField, MillpondError } from "../domain/errors.ts";
import { PackedTasks } from "../domain/packed-tasks.ts";
import {
  type UploadTasksRequest,
  UploadTasksRequestSchema,
  type UploadTasksResponse,
  UploadTasksResponseSchema,
} from "../gen/millpond/v1/task_service_pb.ts";
import { encodeBatch } from "../wire/batch.ts";
import { decodeId, decodeNewBatch, decodeNewTask } from "../wire/new-task.ts";
import { checkWebhooks } from "./check-webhooks.ts";
import { nameMissing } from "./name-missing.ts";
import { namingParent } from "./naming-parent.ts";
import type { RpcDeps } from "./rpc-deps.ts";
import type { CountedUpload } from "./upload-budget.ts";

/**
 * UploadTasks: takes the parts of a graph, each checked and decoded as it comes, and creates all of it by one command once the caller has
 * ended the stream. A stream that ends in any other way has created nothing.
 */
export async function uploadTasks(
  deps: RpcDeps,
  requests: AsyncIterable<UploadTasksRequest>,
  context: Pick<HandlerContext, "signal">,
): Promise<UploadTasksResponse> {
  using counted = deps.uploads.open();
  const { command, batchId } = await receive(deps, { requests, counted, signal: context.signal });
  const uploading = nameMissing(batchId, uploadTasksCommand(deps.engine, command));
  const { batch, created, deduplicated } = await uploading.catch((error: unknown) => {
    throw namingParent(deps.ids, error);
  });
  return create(UploadTasksResponseSchema, {
    batch: encodeBatch(batch, deps.ids),
    ...{ createdCount: BigInt(created), deduplicatedCount: BigInt(deduplicated) },
  });
}

interface Receiving {
  readonly requests: AsyncIterable<UploadTasksRequest>;
  readonly counted: CountedUpload;
  readonly signal: AbortSignal;
}

/** Reads the stream to its end. */
async function receive(
  deps: RpcDeps,
  { requests, counted, signal }: Receiving,
): Promise<{ command: UploadTasks; batchId: string }> {
  const parts = requests[Symbol.asyncIterator]();
  const waiting = { idleMs: deps.uploadIdleMs, signal };
  const hash = createHash("sha256").update(UploadTasksRequestSchema.typeName);
  let bytes = 0;
  const tasks = new PackedTasks((packed) => {
    hash.update(packed);
    bytes += packed.length;
  });
  let first:
    | { readonly requestId: string; readonly batchId: string; readonly target: UploadTasks["target"] }
    | undefined;
  try {
    for (let n = 1; ; n += 1) {
      const { done, value: part } = await nextPart(parts, waiting);
      if (done === true) break;
      if (first === undefined) first = decodeFirst(deps, part);
      else refuseRepeated(part, n);
      const dependencies = part.tasks.reduce((sum, task) => sum + task.dependencies.length, 0);
      counted.add({ tasks: part.tasks.length, dependencies });
      const newBatch = part.target.case === "newBatch" ? part.target.value : undefined;
      checkWebhooks(deps.urlGuard, part.tasks, newBatch, tasks.length);
      // The same tasks in other parts are another body.
      const head = headBytes(part);
      hash.update(head);
      bytes = head.byteLength;
      for (const message of part.tasks) tasks.push(decodeNewTask(message, `tasks[${tasks.length}]`, deps.ids));
      counted.addBytes(bytes);
    }
  } finally {
    // Not awaited: a part that has not come yet may never come.
    parts.return?.().catch(() => {});
  }
  // A stream that was reset between two messages looks as if it had ended.
  signal.throwIfAborted();
  if (first === undefined)
    throw invalidField("request_id", "the stream has no message; the first says where the tasks go");
  const { requestId, batchId, target } = first;
  const request = { requestId: requestId === "" ? undefined : requestId, bodyHash: hash.digest() };
  return { command: { ...request, target, tasks }, batchId };
}

/** Reads what only the first message may say. */
function decodeFirst(
  deps: RpcDeps,
  { requestId, target }: UploadTasksRequest,
): { requestId: string; batchId: string; target: UploadTasks["target"] } {
  if (target.case === "batchId") {
    const batchId = decodeId(deps.ids, target.value, "BATCH_NOT_FOUND");
    return { requestId, batchId: target.value, target: { case: "batch", batchId } };
  }
  const newBatch = target.case === "newBatch" ? target.value : undefined;
  return { requestId, batchId: "", target: { case: "newBatch", ...decodeNewBatch(newBatch) } };
}

/** What a part says beside its tasks, and how many they are. */
function headBytes({ requestId, target, tasks }: UploadTasksRequest): Buffer {
  const bytes = toBinary(UploadTasksRequestSchema, create(UploadTasksRequestSchema, { requestId, target }));
  const head = Buffer.alloc(8 + bytes.byteLength);
  head.writeUInt32BE(bytes.byteLength, 0);
  head.set(bytes, 4);
  head.writeUInt32BE(tasks.length, 4 + bytes.byteLength);
  return head;
}

function refuseRepeated({ requestId, target }: UploadTasksRequest, n: number): void {
  const field = requestId !== "" ? "request_id" : target.case === "newBatch" ? "new_batch" : "batch_id";
  if (requestId === "" && target.case === undefined) return;
  throw invalidField(field, `message ${n} of the stream has it; only the first may`);
}

/** Waits for the next part, but not beyond the end of the call, nor for ever for a caller that sends nothing. */
async function nextPart(
  parts: AsyncIterator<UploadTasksRequest>,
  { idleMs, signal }: { readonly idleMs: number; readonly signal: AbortSignal },
): Promise<IteratorResult<UploadTasksRequest>> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  const timer = setTimeout(() => reject(idle(idleMs)), idleMs);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([parts.next(), over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

function idle(ms: number): MillpondError {
  const limit = `${ms / 1000}s`;
  const message = `no part came for ${limit} (MILLPOND_REQUEST_TIMEOUT); nothing was created, upload again`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit } });
}
