import { Batch } from "./batch.ts";
import { BatchQueue } from "./batch-queue.ts";
import { BatchState } from "./batch-state.ts";
import { Blocked } from "./blocked.ts";
import { BlockedWait } from "./blocked-wait.ts";
import { CountProducer } from "./count-producer.ts";
import { DedupeKey } from "./dedupe-key.ts";
import { DedupeShape } from "./dedupe-shape.ts";
import { Delivery } from "./delivery.ts";
import { EdgeLate } from "./edge-late.ts";
import { EventTx } from "./event-tx.ts";
import { FairQueue } from "./fair-queue.ts";
import { Flow } from "./flow.ts";
import { FollowUp } from "./follow-up.ts";
import { Hold } from "./hold.ts";
import { Instance } from "./instance.ts";
import { Lane } from "./lane.ts";
import { LaneKey } from "./lane-key.ts";
import { LogPart } from "./log-part.ts";
import { Namespace } from "./namespace.ts";
import { Parked } from "./parked.ts";
import { PausedBatch } from "./paused-batch.ts";
import { Queue } from "./queue.ts";
import { RateStart } from "./rate-start.ts";
import { Ready } from "./ready.ts";
import { ReadyRun } from "./ready-run.ts";
import { Request } from "./request.ts";
import { RetryPolicy } from "./retry-policy.ts";
import { Rule } from "./rule.ts";
import { RuleAlarm } from "./rule-alarm.ts";
import { RuleChange } from "./rule-change.ts";
import { RuleKey } from "./rule-key.ts";
import { RuleUsage } from "./rule-usage.ts";
import { SharedSpec } from "./shared-spec.ts";
import { Task } from "./task.ts";
import { TaskAttempt } from "./task-attempt.ts";
import { TaskLog } from "./task-log.ts";
import { TaskState } from "./task-state.ts";
import { Timer } from "./timer.ts";
import { Worker } from "./worker.ts";
import { WorkerPresence } from "./worker-presence.ts";

/** The entity of every table but MikroORM's own list of migrations. */
export const entities = [
  Instance,
  Namespace,
  Queue,
  Worker,
  Batch,
  BatchState,
  BatchQueue,
  Task,
  SharedSpec,
  TaskState,
  Ready,
  ReadyRun,
  EdgeLate,
  TaskAttempt,
  Timer,
  Request,
  EventTx,
  RetryPolicy,
  PausedBatch,
  Parked,
  FairQueue,
  Flow,
  FollowUp,
  Delivery,
  DedupeShape,
  DedupeKey,
  Rule,
  RuleChange,
  RuleKey,
  RuleUsage,
  Lane,
  LaneKey,
  Blocked,
  BlockedWait,
  Hold,
  RateStart,
  RuleAlarm,
  TaskLog,
  LogPart,
  CountProducer,
  WorkerPresence,
];
