import { create } from "@bufbuild/protobuf";
import type { IdCodec } from "../domain/ids.ts";
import type { HeldAttempt, PresentWorker } from "../domain/worker.ts";
import { type Worker, WorkerSchema } from "../gen/millpond/v1/worker_pb.ts";
import { optionalTimestamp, timestamp } from "./time.ts";

/** Writes a worker with the attempts that it has. */
export function encodeWorker(
  worker: PresentWorker & { readonly running: readonly HeldAttempt[] },
  { ids, kindOf }: { readonly ids: IdCodec; readonly kindOf: (queue: number) => string },
): Worker {
  const { name, kinds, labels, slots, state, connectTime, heartbeatTime, running } = worker;
  return create(WorkerSchema, {
    ...{ workerId: name, kinds: [...kinds], labels: { ...labels }, slots },
    // The numbers are those of the contract.
    state: state as Worker["state"],
    ...{ connectTime: timestamp(connectTime), heartbeatTime: timestamp(heartbeatTime) },
    running: running.map((held) => {
      const [runTime, leaseExpireTime] = [optionalTimestamp(held.runTime), optionalTimestamp(held.leaseUntil)];
      return {
        ...{
          taskId: ids.encode(held.id),
          batchId: ids.encode(held.batchId),
          kind: kindOf(held.queue),
          attempt: held.attempt,
        },
        ...(runTime && { runTime }),
        ...(leaseExpireTime && { leaseExpireTime }),
      };
    }),
  });
}
