import { create, fromJsonString, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { ChangeType, type FeedEvent } from "../domain/feed-event.ts";
import type { IdCodec } from "../domain/ids.ts";
import { BatchStatus, TaskStatus } from "../domain/task-status.ts";
import { updatableFields } from "../domain/updatable-fields.ts";
import { type Event, EventSchema } from "../gen/millpond/v1/event_pb.ts";
import { encodeFailure } from "./task.ts";
import { timestamp } from "./time.ts";

type Payload = NonNullable<MessageInitShape<typeof EventSchema>["payload"]>;

/** Writes a change. Its id compares, as text, in the order of the feed. */
export function encodeEvent(event: FeedEvent, ids: IdCodec): Event {
  return create(EventSchema, {
    eventId: `${String(event.seq).padStart(15, "0")}-${String(event.index).padStart(6, "0")}`,
    eventTime: timestamp(event.time),
    batchId: ids.encode(event.batchId),
    taskId: event.taskId === 0n ? "" : ids.encode(event.taskId),
    kind: event.kind,
    payload: encodePayload(event, ids),
  });
}

function encodePayload(event: FeedEvent, ids: IdCodec): Payload {
  switch (event.type) {
    case ChangeType.CREATED: {
      const { key, name, priority, parentCount } = event.created ?? { key: "", name: "", priority: 0, parentCount: 0 };
      return { case: "taskCreated", value: { key: key ?? "", name, priority, parentCount, status: event.to as never } };
    }
    case ChangeType.COUNTS:
      return {
        case: "taskCountsChanged",
        value: { successCount: event.counts?.success ?? 0n, failureCount: event.counts?.failure ?? 0n },
      };
    case ChangeType.BATCH:
      return {
        case: "batchStatusChanged",
        value: {
          from: event.from as never,
          to: event.to as never,
          // Only a stop has a reason; the batch may have been stopped since.
          stopReason: event.to === BatchStatus.CANCELED ? (event.batch?.stopReason ?? "") : "",
          open: event.batch?.open ?? false,
        },
      };
    case ChangeType.UPDATED:
      return { case: "taskUpdated", value: { paths: updatedPaths(event.fields) } };
    default:
      return { case: "taskStatusChanged", value: statusChange(event, ids) };
  }
}

function updatedPaths(bits: number): string[] {
  return Object.entries(updatableFields).flatMap(([path, bit]) => ((bits & bit) === 0 ? [] : [path]));
}

function statusChange(event: FeedEvent, ids: IdCodec): Extract<Payload, { case: "taskStatusChanged" }>["value"] {
  const { result } = event;
  return {
    ...{ from: event.from as never, to: event.to as never, attempt: event.attempt, workerId: event.worker },
    ...(result?.cause === undefined || result.cause === null || event.to === TaskStatus.SUCCESS
      ? {}
      : { failure: encodeFailure(result, ids) }),
    ...(result?.output === undefined || result.output === null || event.to !== TaskStatus.SUCCESS
      ? {}
      : { output: fromJsonString(ValueSchema, result.output) }),
    cancelReason: event.to === TaskStatus.CANCELED ? (result?.message ?? "") : "",
  };
}
