import { randomBytes } from "node:crypto";
import { type BatchGraph, computeBatchGraph, type GraphTask } from "../domain/batch-graph.ts";
import { MillpondError } from "../domain/errors.ts";
import { type GraphPlace, type LineageWays, markLineage, placeOf, positionAfter } from "../domain/graph-lookup.ts";
import { graphTasks, type TaskTitle, taskTitles } from "../store/batch-graph.ts";
import { getBatches } from "../store/batches.ts";
import type { Database } from "../store/database.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import type { GraphCache } from "./graph-cache.ts";

/** What {@link getBatchGraph} reads with. */
export interface GraphSource {
  readonly db: Database;
  readonly dictionaries: Dictionaries;
  readonly namespaceId: number;
  readonly graphs: GraphCache;
}

/** A page of the graph of a batch, or of the lineage of one of its tasks. */
export interface GraphPageRequest {
  readonly batchId: bigint;
  readonly lineage: ({ readonly taskId: bigint } & LineageWays) | undefined;
  readonly size: number;
  readonly after: GraphPlace | undefined;
}

/** A node of a page: its place in the graph, and how it is called. */
export interface GraphPageNode {
  readonly place: number;
  readonly title: TaskTitle;
}

/** What {@link getBatchGraph} answers. */
export interface GraphPage {
  readonly graph: BatchGraph;
  readonly nodes: readonly GraphPageNode[];
  /** The ids of the critical path, at most 100,000; empty behind the first page. */
  readonly criticalPath: readonly bigint[];
  readonly next: GraphPlace | undefined;
}

const tasksPerRead = 10_000;
/** More than this is refused, before it fills the memory of the server. */
const elementsMax = 5_000_000;
const edgesPerPage = 100_000;
const criticalPathMax = 100_000;

/** A page is about this large at most, well below what gRPC clients accept in one message (4 MiB). */
const pageBytesMax = 2.5 * 1024 * 1024;
/** What is left for the nodes of a page whose critical path is nearly as large, or larger. */
const nodesBytesMin = 128 * 1024;
const edgeBytes = 82;
const nodeBytes = 120;
const criticalBytes = 38;

/**
 * Reads a page of the graph of a batch. All pages of a walk show the graph as it was at the first one, as long as this server has it; after
 * that as it is by then, in the same order: a task's level never changes. Fails with BATCH_NOT_FOUND, TASK_NOT_FOUND (of a
 * lineage) and LIMIT_EXCEEDED.
 */
export async function getBatchGraph(source: GraphSource, request: GraphPageRequest): Promise<GraphPage> {
  const { batchId, after } = request;
  const version = after?.version ?? randomBytes(6).toString("hex");
  const key = `${batchId} ${version}`;
  const load = () => loadGraph(source, batchId);
  const graph = await (after === undefined ? source.graphs.share(String(batchId), load) : source.graphs.get(key, load));
  const places = select(graph, request);
  const criticalPath =
    after === undefined
      ? Array.from(graph.criticalPath.subarray(0, criticalPathMax), (place) => graph.ids[place] as bigint)
      : [];
  const pathBytes = criticalPath.length * criticalBytes;
  const nodes = await fill(source, {
    ...{ graph, places: places.slice(0, request.size), bytesMax: Math.max(pageBytesMax - pathBytes, nodesBytesMin) },
    mayBeEmpty: pathBytes > 0,
  });
  if (nodes.length === places.length) return { graph, nodes, criticalPath, next: undefined };
  if (after === undefined) void source.graphs.get(key, async () => graph);
  const last = nodes.at(-1)?.place;
  const next =
    last === undefined
      ? { version, level: 0, id: 0n }
      : { version, level: graph.levels[last] as number, id: graph.ids[last] as bigint };
  return { graph, nodes, criticalPath, next };
}

async function loadGraph(source: GraphSource, batchId: bigint): Promise<BatchGraph> {
  const { db, dictionaries, namespaceId } = source;
  const tasks = await db.readSnapshot(async (read) => {
    const [batch] = await getBatches({ readByKey: read }, namespaceId, [batchId]);
    if (batch === undefined) throw new MillpondError("BATCH_NOT_FOUND", "there is no such batch");
    const all: GraphTask[] = [];
    let elements = 0;
    for (;;) {
      const rows = await graphTasks({ read }, { batchId, after: all.at(-1)?.id ?? 0n, limit: tasksPerRead });
      for (const task of rows) {
        all.push(task);
        elements += 1 + (task.parents?.length ?? 0);
      }
      if (elements > elementsMax) throw tooLarge();
      if (rows.length < tasksPerRead) return all;
    }
  });
  for (const queue of new Set(tasks.map((task) => task.queue))) await dictionaries.queue(queue);
  return computeBatchGraph(tasks, (queue) => dictionaries.loadedQueue(queue).kind);
}

function tooLarge(): MillpondError {
  const message = `the graph of the batch has more than ${elementsMax} tasks and dependencies; read its tasks with ListTasks`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(elementsMax) } });
}

/** The places of the tasks that are left to be walked, in the order of the pages. */
function select(graph: BatchGraph, { lineage, after }: GraphPageRequest): Int32Array {
  const rest = after === undefined ? graph.byLevel : graph.byLevel.subarray(positionAfter(graph, after));
  if (lineage === undefined) return rest;
  const place = placeOf(graph, lineage.taskId);
  if (place === undefined) throw new MillpondError("TASK_NOT_FOUND", "the batch has no such task");
  const marks = markLineage(graph, place, lineage);
  return rest.filter((each) => marks[each] === 1);
}

interface FillInput {
  readonly graph: BatchGraph;
  readonly places: Int32Array;
  readonly bytesMax: number;
  readonly mayBeEmpty: boolean;
}

/** Takes as many of some places as fit on a page, at least one where it may not be empty. */
async function fill({ db, dictionaries }: GraphSource, input: FillInput): Promise<GraphPageNode[]> {
  const { graph, places, bytesMax, mayBeEmpty } = input;
  if (places.length === 0) return [];
  const ids = Array.from(places, (place) => graph.ids[place] as bigint);
  const titles = new Map((await taskTitles(db, ids)).map((title) => [title.id, title]));
  const nodes: GraphPageNode[] = [];
  let [bytes, edges] = [0, 0];
  for (const [n, place] of places.entries()) {
    const title = titles.get(ids[n] as bigint) ?? { id: ids[n] as bigint, key: null, name: "" };
    const own = (graph.firstEdge[place + 1] as number) - (graph.firstEdge[place] as number);
    const { kind } = dictionaries.loadedQueue(graph.queues[place] as number);
    edges += own;
    bytes += nodeBytes + own * edgeBytes + Buffer.byteLength((title.key ?? "") + title.name + kind);
    const isFull = bytes > bytesMax || edges > edgesPerPage;
    if (isFull && (nodes.length > 0 || mayBeEmpty)) return nodes;
    nodes.push({ place, title });
  }
  return nodes;
}
