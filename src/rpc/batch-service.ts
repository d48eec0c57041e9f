import type { ServiceImpl } from "@connectrpc/connect";
import { holdBatch, sealBatch, stopBatch } from "../commands/change-batch.ts";
import { retryBatch } from "../commands/retry-tasks.ts";
import { taskStatusName } from "../domain/task-status.ts";
import {
  type BatchService,
  ListBatchesRequestSchema,
  PauseBatchRequestSchema,
  ResumeBatchRequestSchema,
  RetryBatchRequestSchema,
  SealBatchRequestSchema,
  StopBatchRequestSchema,
} from "../gen/millpond/v1/batch_service_pb.ts";
import { getBatch } from "../queries/get-batch.ts";
import { queuesOfKindsFilter } from "../queries/kinds-filter.ts";
import { listBatches } from "../store/batches.ts";
import { encodeBatch } from "../wire/batch.ts";
import { decodeId } from "../wire/new-task.ts";
import { decodePage, encodePageToken } from "../wire/page-token.ts";
import { createGetBatchGraph } from "./batch-graph.ts";
import { batchRules } from "./batch-rules.ts";
import { filtersOf, listFilter } from "./list-filters.ts";
import { nameMissing } from "./name-missing.ts";
import { type RpcDeps, requestKey } from "./rpc-deps.ts";

const stopReasonDefault = "Batch stopped";

/** The RPCs of BatchService that this version has. */
export function createBatchService(deps: RpcDeps): Partial<ServiceImpl<typeof BatchService>> {
  const { engine, ids } = deps;
  const batchIdOf = (request: { readonly batchId: string }): bigint =>
    decodeId(ids, request.batchId, "BATCH_NOT_FOUND");
  return {
    getBatch: async (request) => ({
      batch: encodeBatch(
        await nameMissing(request.batchId, getBatch(engine.db, engine.namespaceId, batchIdOf(request))),
        ids,
      ),
    }),
    listBatches: async (request) => {
      const filters = filtersOf(ListBatchesRequestSchema, request);
      const queues = await queuesOfKindsFilter(engine.dictionaries, engine.namespaceId, request.kinds);
      const page = await listBatches(
        engine.db,
        { ...listFilter(request, engine.namespaceId), queues },
        decodePage(request, filters),
      );
      return {
        batches: page.rows.map((batch) => encodeBatch(batch, ids)),
        nextPageToken: encodePageToken(page.nextBefore, filters),
      };
    },
    getBatchGraph: createGetBatchGraph(deps),
    ...batchRules(deps),
    sealBatch: async (request) => {
      const command = { ...requestKey(SealBatchRequestSchema, request), batchId: batchIdOf(request) };
      const batch = await nameMissing(request.batchId, sealBatch(engine, command));
      return { batch: encodeBatch(batch, ids) };
    },
    pauseBatch: async (request) => {
      const key = requestKey(PauseBatchRequestSchema, request);
      const command = { ...key, batchId: batchIdOf(request), hold: true };
      return { batch: encodeBatch(await nameMissing(request.batchId, holdBatch(engine, command)), ids) };
    },
    resumeBatch: async (request) => {
      const key = requestKey(ResumeBatchRequestSchema, request);
      const command = { ...key, batchId: batchIdOf(request), hold: false };
      return { batch: encodeBatch(await nameMissing(request.batchId, holdBatch(engine, command)), ids) };
    },
    retryBatch: async (request) => {
      const command = { ...requestKey(RetryBatchRequestSchema, request), batchId: batchIdOf(request) };
      const { batch, retriedCount } = await nameMissing(request.batchId, retryBatch(engine, command));
      return { batch: encodeBatch(batch, ids), retriedCount: BigInt(retriedCount) };
    },
    stopBatch: async (request) => {
      const reason = request.reason === "" ? stopReasonDefault : request.reason;
      const command = { ...requestKey(StopBatchRequestSchema, request), batchId: batchIdOf(request), reason };
      const stopped = await nameMissing(request.batchId, stopBatch(engine, command));
      const canceledByStatus: Record<string, bigint> = {};
      for (const status of stopped.formerStatuses) {
        const name = taskStatusName(status);
        canceledByStatus[name] = (canceledByStatus[name] ?? 0n) + 1n;
      }
      return { batch: encodeBatch(stopped.batch, ids), canceledByStatus, alreadyEnded: stopped.alreadyEnded };
    },
  };
}
