import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import type { MillpondClient } from "./client.ts";
import { UploadTasksRequestSchema, type UploadTasksResponse } from "./gen/millpond/v1/task_service_pb.js";
import type { TaskGraph } from "./graph.ts";
import { type RetryPolicyOptions, retryPolicy } from "./retry-policy.ts";
import { delayBeforeRepeat } from "./retry-safe-calls.ts";
import { partSizeMax, uploadParts } from "./upload-parts.ts";

/** UploadOptions says how a graph is cut into parts, and how an upload that failed is repeated. */
export interface UploadOptions {
  /** Makes the upload safe to repeat for 24 hours, by this program or the next. Default: a new one. */
  readonly requestId?: string | undefined;
  /** Tasks in one message at most. Default and maximum 5,000. */
  readonly partSize?: number | undefined;
  /** How often, and after what delays, it is repeated when the server is away or asks for it; false: never. */
  readonly retry?: RetryPolicyOptions | false | undefined;
  /** Ends the upload; nothing is created unless the last part had been sent. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * uploadTasks creates a graph that is too large for one CreateTasks call, all or none: it is sent in parts, and becomes visible at once when the
 * last one has come. The answer has the batch and counts; `client.tasks.listTasks` has the tasks.
 */
export async function uploadTasks(
  client: Pick<MillpondClient, "tasks"> & Partial<Pick<MillpondClient, "protocol">>,
  graph: Pick<TaskGraph, "toRequest">,
  options: UploadOptions = {},
): Promise<UploadTasksResponse> {
  const { tasks, target } = graph.toRequest();
  const requestId = options.requestId ?? randomUUID();
  const first = create(UploadTasksRequestSchema, { requestId, target });
  const partSize = Math.max(1, Math.min(options.partSize ?? partSizeMax, partSizeMax));
  // Of a client that somebody else made it is not known whether it sends bytes or JSON.
  const isBinary = client.protocol === "grpc";
  const policy = options.retry === false ? undefined : retryPolicy(options.retry);
  const call = options.signal === undefined ? {} : { signal: options.signal };
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.tasks.uploadTasks(uploadParts(first, tasks, { partSize, isBinary }), call);
    } catch (error) {
      const delayMs = policy && attempt < policy.maxAttempts ? delayBeforeRepeat(error, policy, attempt) : undefined;
      if (delayMs === undefined || options.signal?.aborted) throw error;
      await sleep(delayMs, undefined, call);
    }
  }
}
