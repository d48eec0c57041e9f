import { create } from "@bufbuild/protobuf";
import type { Blocker } from "../domain/blocker.ts";
import type { IdCodec } from "../domain/ids.ts";
import { type Blocker as BlockerMessage, BlockerSchema } from "../gen/millpond/v1/blocker_pb.ts";
import { encodeRule } from "./rule.ts";
import { optionalTimestamp, timestamp } from "./time.ts";

/** Writes what keeps a task from running. */
export function encodeBlocker(blocker: Blocker, ids: IdCodec): BlockerMessage {
  switch (blocker.case) {
    case "paused":
      return create(BlockerSchema, {
        blocker: { case: "paused", value: { task: blocker.task, batch: blocker.batch } },
      });
    case "dependencies": {
      const { unmetCount, totalCount } = blocker;
      const parents = blocker.parents.map(({ id, key, status, condition }) => ({
        ...{ taskId: ids.encode(id), key: key ?? "", status: status as never, condition: condition as never },
      }));
      return create(BlockerSchema, { blocker: { case: "dependencies", value: { unmetCount, totalCount, parents } } });
    }
    case "startTime":
      return create(BlockerSchema, { blocker: { case: "startTime", value: timestamp(blocker.time) } });
    case "rule":
      return encodeRuleBlocker(blocker, ids);
    case "noWorker": {
      const { kind, labels, kindCount, matchingCount } = blocker;
      const counts = { kindCount: BigInt(kindCount), matchingCount: BigInt(matchingCount) };
      return create(BlockerSchema, {
        blocker: { case: "noWorker", value: { kind, requiredLabels: { ...labels }, ...counts } },
      });
    }
    case "unreachedHost": {
      const value = { host: blocker.host, retryTime: timestamp(blocker.retryTime) };
      return create(BlockerSchema, { blocker: { case: "unreachedHost", value } });
    }
    case "queue":
      return create(BlockerSchema, { blocker: { case: "queue", value: { aheadCount: blocker.aheadCount } } });
  }
}

function encodeRuleBlocker(blocker: Extract<Blocker, { case: "rule" }>, ids: IdCodec): BlockerMessage {
  const { rule, key, inUse, holders, queuePosition } = blocker;
  const freeTime = optionalTimestamp(blocker.freeTime);
  return create(BlockerSchema, {
    blocker: {
      case: "rule",
      value: {
        ...{ rule: encodeRule(rule), key, inUse, limit: rule.bound, queuePosition },
        holders: holders.map(({ taskId, amount, holdTime }) => ({
          ...{ taskId: ids.encode(taskId), amount, holdTime: timestamp(holdTime) },
        })),
        ...(freeTime === undefined ? {} : { freeTime }),
      },
    },
  });
}
