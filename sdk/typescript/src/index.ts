// The public surface of @millpond/sdk: the hand-written layer, then every message and service of the contract.
export { type ClientOptions, createClient, type MillpondClient, type Protocol } from "./client.ts";
export { type Counter, type CounterOptions, type CountInput, createCounter, type RejectedCount } from "./counter.ts";
export { errorReason, type FieldViolation, fieldViolations, isTransient, retryDelayMs } from "./errors.ts";
export * from "./gen/millpond/v1/batch_pb.js";
export * from "./gen/millpond/v1/batch_service_pb.js";
export * from "./gen/millpond/v1/blocker_pb.js";
export * from "./gen/millpond/v1/delivery_pb.js";
export * from "./gen/millpond/v1/delivery_service_pb.js";
export * from "./gen/millpond/v1/error_reason_pb.js";
export * from "./gen/millpond/v1/event_pb.js";
export * from "./gen/millpond/v1/event_service_pb.js";
export * from "./gen/millpond/v1/graph_pb.js";
export * from "./gen/millpond/v1/log_pb.js";
export * from "./gen/millpond/v1/report_pb.js";
export * from "./gen/millpond/v1/rule_pb.js";
export * from "./gen/millpond/v1/task_pb.js";
export * from "./gen/millpond/v1/task_service_pb.js";
export * from "./gen/millpond/v1/webhook_pb.js";
export * from "./gen/millpond/v1/worker_pb.js";
export * from "./gen/millpond/v1/worker_service_pb.js";
export {
  createGraph,
  type DependencyInput,
  type GraphOptions,
  onCompletion,
  onFailure,
  type Parent,
  type RetryOptions,
  type TaskGraph,
  type TaskOptions,
  type TaskRef,
} from "./graph.ts";
export { type LogOptions, listLogs } from "./list-logs.ts";
export type { RetryPolicyOptions } from "./retry-policy.ts";
export { type UploadOptions, uploadTasks } from "./upload-tasks.ts";
export { type WatchOptions, watchEvents } from "./watch-events.ts";
export { AttemptAborted, type AttemptAbortReason } from "./worker/attempt-aborted.ts";
export { NonRetryable, TaskError, type TaskErrorOptions } from "./worker/task-error.ts";
export type { LogLevelName, Parents, TaskContext, TaskHandler } from "./worker/task-handler.ts";
export { createWorker, type TaskWorker, type WorkerOptions } from "./worker/task-worker.ts";
