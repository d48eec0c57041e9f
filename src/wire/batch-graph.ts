import { create } from "@bufbuild/protobuf";
import type { BatchGraph } from "../domain/batch-graph.ts";
import type { IdCodec } from "../domain/ids.ts";
import { type GraphEdge, GraphEdgeSchema, type GraphNode, GraphNodeSchema } from "../gen/millpond/v1/graph_pb.ts";
import { durationOfMicros } from "./time.ts";

/** What a node of a graph is called. */
export interface NodeNames {
  readonly key: string | null;
  readonly name: string;
  readonly kind: string;
}

/** Writes a node of a graph. */
export function encodeGraphNode(graph: BatchGraph, place: number, names: NodeNames, ids: IdCodec): GraphNode {
  return create(GraphNodeSchema, {
    ...{ taskId: ids.encode(graph.ids[place] as bigint), key: names.key ?? "", name: names.name, kind: names.kind },
    ...{ status: graph.statuses[place] as never, level: graph.levels[place] as number },
    ...{ duration: durationOfMicros(graph.durations[place] as number), estimated: graph.estimated[place] === 1 },
    ...{ slack: durationOfMicros(graph.slacks[place] as number), critical: graph.critical[place] === 1 },
  });
}

/** Writes the edges that lead to a node of a graph. */
export function encodeGraphEdges(graph: BatchGraph, place: number, ids: IdCodec): GraphEdge[] {
  const childTaskId = ids.encode(graph.ids[place] as bigint);
  const [first, end] = [graph.firstEdge[place] as number, graph.firstEdge[place + 1] as number];
  return Array.from({ length: end - first }, (_, n) =>
    create(GraphEdgeSchema, {
      ...{ parentTaskId: ids.encode(graph.parentIds[first + n] as bigint), childTaskId },
      condition: graph.conditions[first + n] as never,
    }),
  );
}
