import {
  type DescEnum,
  fromJsonString,
  type JsonObject,
  type JsonValue,
  toJson,
  toJsonString,
} from "@bufbuild/protobuf";
import { TimestampSchema, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type ClaimedDelivery, DeliveryTrigger } from "../domain/delivery.ts";
import { type AttemptResult, ChangeType, type FeedEvent } from "../domain/feed-event.ts";
import { TaskStatus } from "../domain/task-status.ts";
import { BatchStatusSchema } from "../gen/millpond/v1/batch_pb.ts";
import { EventSchema } from "../gen/millpond/v1/event_pb.ts";
import { TaskFailureSchema, TaskStatusSchema } from "../gen/millpond/v1/task_pb.ts";
import { encodeEvent } from "./event.ts";
import { encodeFailure, type Names } from "./task.ts";
import { timestamp } from "./time.ts";

/** The names of the triggers as receivers see them. */
const triggerNames: Readonly<Record<number, string>> = {
  [DeliveryTrigger.SUCCESS]: "success",
  [DeliveryTrigger.FAILURE]: "failure",
  [DeliveryTrigger.CANCELED]: "cancel",
  [DeliveryTrigger.BATCH_COMPLETE]: "batch_complete",
  [DeliveryTrigger.STOP]: "stop",
};

/** Names what a delivery tells of, as its header and body do. */
export function triggerName(trigger: number): string {
  return triggerNames[trigger] ?? "";
}

/** Writes the body that a user gave: an object gets a member `millpond` that says what happened, anything else stays as it is. */
export function deliveryBody(given: Value, delivery: ClaimedDelivery, names: Names): JsonValue {
  const body = toJson(ValueSchema, given);
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  return { ...body, millpond: whatHappened(delivery, names) };
}

function whatHappened(delivery: ClaimedDelivery, names: Names): JsonObject {
  const isTask = delivery.taskId !== 0n;
  const status = isTask
    ? enumName(TaskStatusSchema, statusAfter(delivery))
    : enumName(BatchStatusSchema, delivery.batchStatus);
  const result = resultOf(delivery);
  return {
    trigger: triggerName(delivery.trigger),
    ...(isTask ? { task_id: names.ids.encode(delivery.taskId) } : {}),
    batch_id: names.ids.encode(delivery.batchId),
    ...(delivery.key === null ? {} : { key: delivery.key }),
    ...{ name: delivery.name ?? "", status },
    ...(isTask ? { kind: kindOf(delivery, names), attempt: delivery.attempt } : {}),
    end_time: toJson(TimestampSchema, timestamp(timeOf(delivery))) as JsonValue,
    ...(result?.output == null ? {} : { output: toJson(ValueSchema, fromJsonString(ValueSchema, result.output)) }),
    ...(result?.cause == null
      ? {}
      : { failure: toJson(TaskFailureSchema, encodeFailure(result, names.ids)) as JsonValue }),
    ...(delivery.stopReason === null || isTask ? {} : { stop_reason: delivery.stopReason }),
  };
}

function enumName({ values }: DescEnum, number: number): string {
  return values.find((value) => value.number === number)?.name ?? "";
}

/** Writes what is sent where the user gave no body: the change as an Event in ProtoJSON. Its place in the feed is not known any more. */
export function deliveryEvent(delivery: ClaimedDelivery, names: Names): string {
  const event = encodeEvent(feedEvent(delivery, names), names.ids);
  event.eventId = "";
  return toJsonString(EventSchema, event);
}

function feedEvent(delivery: ClaimedDelivery, names: Names): FeedEvent {
  const { batchId, taskId, attempt } = delivery;
  const common = { seq: 0n, index: 0, time: timeOf(delivery), batchId, taskId, attempt, from: 0 };
  const nothing = {
    created: undefined,
    fields: 0,
    counts: undefined,
    result: undefined,
    batch: undefined,
    kind: "",
    worker: "",
  };
  if (taskId === 0n) {
    const batch = { stopReason: delivery.stopReason, open: false };
    return { ...common, ...nothing, type: ChangeType.BATCH, to: delivery.batchStatus, batch };
  }
  return {
    ...{ ...common, ...nothing, type: ChangeType.STATUS_WITH_ATTEMPT, to: statusAfter(delivery) },
    ...{ kind: kindOf(delivery, names), result: resultOf(delivery) },
    worker: delivery.worker === null ? "" : names.workerOf(delivery.worker),
  };
}

/**
 * The status that the change led to. A call that tells an executor to stop may come from an attempt that timed out: the task has failed by it, or
 * was put back to be tried again, and has gone on since.
 */
function statusAfter(delivery: ClaimedDelivery): number {
  if (delivery.trigger === DeliveryTrigger.SUCCESS) return TaskStatus.SUCCESS;
  if (delivery.trigger === DeliveryTrigger.FAILURE) return TaskStatus.FAILURE;
  if (delivery.attemptStatus !== TaskStatus.FAILURE) return TaskStatus.CANCELED;
  const isLast = delivery.taskStatus === TaskStatus.FAILURE && delivery.taskAttempt === delivery.attempt;
  return isLast ? TaskStatus.FAILURE : TaskStatus.PENDING;
}

/** What the attempt left, as far as the status has it: an output of a success, a failure of anything else. */
function resultOf(delivery: ClaimedDelivery): AttemptResult | undefined {
  if (delivery.taskId === 0n) return undefined;
  const { taskId, attempt, attemptStatus: status, cause, culprit, message, code, details, output } = delivery;
  const isSuccess = delivery.trigger === DeliveryTrigger.SUCCESS;
  return {
    ...{ taskId, attempt, status, culprit, message, code, details },
    ...{ cause: isSuccess ? null : cause, output: isSuccess ? output : null },
  };
}

function kindOf(delivery: ClaimedDelivery, names: Names): string {
  return delivery.queue === null ? "" : names.kindOf(delivery.queue);
}

function timeOf(delivery: ClaimedDelivery): number {
  return delivery.endTime ?? delivery.createTime;
}
