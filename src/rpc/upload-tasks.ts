import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { type UploadTasks, uploadTasks as uploadTasksCommand } from "../commands/upload-tasks.ts";
import { invalidField, MillpondError } from "../domain/errors.ts";
import type { IdCodec } from "../domain/ids.ts";
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
import { cutPartsKey } from "./cut-parts.ts";
import { nameMissing } from "./name-missing.ts";
import { namingParent } from "./naming-parent.ts";
import type { RpcDeps } from "./rpc-deps.ts";
import type { CountedUpload } from "./upload-budget.ts";

/** What of a call's context an upload looks at. */
export type UploadContext = Pick<HandlerContext, "signal" | "values">;

/**
 * UploadTasks: takes the parts of a graph, each checked and decoded as it comes, and creates all of it by one command once the caller has
 * ended the stream. A stream that ends in any other way has created nothing.
 */
export async function uploadTasks(
  deps: RpcDeps,
  requests: AsyncIterable<UploadTasksRequest>,
  context: UploadContext,
): Promise<UploadTasksResponse> {
  using counted = deps.uploads.open();
  const { command, batchId } = await receive(deps, { requests, counted, context });
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
  readonly context: UploadContext;
}

/** Reads the stream to its end. */
async function receive(
  deps: RpcDeps,
  { requests, counted, context }: Receiving,
): Promise<{ command: UploadTasks; batchId: string }> {
  const parts = requests[Symbol.asyncIterator]();
  const { signal } = context;
  const waiting = { idleMs: deps.uploadIdleMs, signal };
  const cut = context.values.get(cutPartsKey);
  const upload = new ReceivedUpload();
  let first: ReturnType<typeof decodeFirst> | undefined;
  try {
    for (let message = 0; ; message += 1) {
      const { done, value: part } = await nextPart(parts, waiting);
      if (done === true) break;
      // What was sent as one message is counted when its first piece comes: of two uploads that there is no room for together, one has it.
      const count = cut.get(message) ?? part.tasks.length;
      const isContinued = cut.get(message) === 0;
      if (!isContinued) upload.beginPart(part);
      if (first === undefined) first = decodeFirst(deps, part);
      else refuseRepeated(part, upload.parts);
      const dependencies = part.tasks.reduce((sum, task) => sum + task.dependencies.length, 0);
      counted.add({ isContinued, tasks: count, dependencies });
      const newBatch = part.target.case === "newBatch" ? part.target.value : undefined;
      checkWebhooks(deps.urlGuard, part.tasks, newBatch, upload.tasks.length);
      counted.addBytes(upload.add(part, deps.ids));
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
  const request = { requestId: requestId === "" ? undefined : requestId, bodyHash: upload.digest() };
  return { command: { ...request, target, tasks: upload.tasks }, batchId };
}

/** ReceivedUpload holds the tasks of the parts that have come, and a hash of all that they say: the same tasks in other parts are another body. */
class ReceivedUpload {
  readonly tasks = new PackedTasks((bytes) => this.#take(bytes));
  readonly #hash = createHash("sha256").update(UploadTasksRequestSchema.typeName);
  #bytes = 0;
  #parts = 0;
  #partStart = 0;

  /** How many parts have begun. */
  get parts(): number {
    return this.#parts;
  }

  /** Begins a part: takes what it says beside its tasks. */
  beginPart({ requestId, target }: UploadTasksRequest): void {
    this.#endPart();
    this.#parts += 1;
    const head = toBinary(UploadTasksRequestSchema, create(UploadTasksRequestSchema, { requestId, target }));
    this.#hash.update(uint32(head.byteLength));
    this.#take(head);
  }

  /** Takes the tasks of a message; answers how many bytes are kept since the last one. */
  add({ tasks }: UploadTasksRequest, ids: IdCodec): number {
    for (const message of tasks) this.tasks.push(decodeNewTask(message, `tasks[${this.tasks.length}]`, ids));
    const bytes = this.#bytes;
    this.#bytes = 0;
    return bytes;
  }

  /** The hash of all of it, when all has come. */
  digest(): Buffer {
    this.#endPart();
    return this.#hash.digest();
  }

  #endPart(): void {
    this.#hash.update(uint32(this.tasks.length - this.#partStart));
    this.#partStart = this.tasks.length;
  }

  #take(bytes: Uint8Array | string): void {
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
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
