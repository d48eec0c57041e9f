import type { MessageInitShape } from "@bufbuild/protobuf";
import { MillpondError } from "../domain/errors.ts";
import {
  type GetBatchGraphRequest,
  GetBatchGraphRequestSchema,
  type GetBatchGraphResponseSchema,
} from "../gen/millpond/v1/batch_service_pb.ts";
import { LineageDirection } from "../gen/millpond/v1/graph_pb.ts";
import { getBatchGraph } from "../queries/get-batch-graph.ts";
import { GraphCache } from "../queries/graph-cache.ts";
import { encodeGraphEdges, encodeGraphNode } from "../wire/batch-graph.ts";
import { decodeId } from "../wire/new-task.ts";
import { decodeGraphPage, encodeGraphPageToken } from "../wire/page-token.ts";
import { durationOfMicros } from "../wire/time.ts";
import { filtersOf } from "./list-filters.ts";
import { naming } from "./name-missing.ts";
import type { RpcDeps } from "./rpc-deps.ts";

/** About three graphs of 100,000 tasks with five parents each. */
const cachedElementsMax = 2_000_000;
const cachedMs = 60_000;

/** Makes GetBatchGraph, with the graphs of the walks that are under way on this server. */
export function createGetBatchGraph({ engine, ids }: Pick<RpcDeps, "engine" | "ids">) {
  const graphs = new GraphCache({ elementsMax: cachedElementsMax, keepMs: cachedMs });
  return async (request: GetBatchGraphRequest): Promise<MessageInitShape<typeof GetBatchGraphResponseSchema>> => {
    const { db, dictionaries, namespaceId } = engine;
    const filters = filtersOf(GetBatchGraphRequestSchema, request);
    const page = {
      batchId: decodeId(ids, request.batchId, "BATCH_NOT_FOUND"),
      lineage:
        request.taskId === ""
          ? undefined
          : { taskId: decodeId(ids, request.taskId, "TASK_NOT_FOUND"), ...waysOf(request.direction) },
      ...decodeGraphPage(request, filters),
    };
    const { graph, nodes, criticalPath, next } = await getBatchGraph(
      { db, dictionaries, namespaceId, graphs },
      page,
    ).catch((error: unknown) => {
      const ofTask = error instanceof MillpondError && error.reason === "TASK_NOT_FOUND";
      throw naming(error, ofTask ? request.taskId : request.batchId);
    });
    return {
      nodes: nodes.map(({ place, title: { key, name } }) => {
        const { kind } = dictionaries.loadedQueue(graph.queues[place] as number);
        return encodeGraphNode(graph, place, { key, name, kind }, ids);
      }),
      edges: nodes.flatMap(({ place }) => encodeGraphEdges(graph, place, ids)),
      levelCount: graph.levelCount,
      criticalPath: criticalPath.map((id) => ids.encode(id)),
      criticalPathDuration: durationOfMicros(graph.criticalPathDuration),
      nextPageToken: encodeGraphPageToken(next, filters),
    };
  };
}

function waysOf(direction: LineageDirection): { upstream: boolean; downstream: boolean } {
  return {
    upstream: direction !== LineageDirection.DOWNSTREAM,
    downstream: direction !== LineageDirection.UPSTREAM,
  };
}
