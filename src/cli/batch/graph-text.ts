import { durationMs } from "@bufbuild/protobuf/wkt";
import { type GetBatchGraphResponse, type GraphNode, TaskStatus } from "@millpond/sdk";
import { type Screen, styled } from "../terminal/screen.ts";
import { statusStyle } from "../terminal/status-style.ts";
import { type Column, drawRows } from "../terminal/table.ts";
import { cut, printable } from "../terminal/text-width.ts";
import { durationText, lengthOf } from "../terminal/time-text.ts";

/** A level with more tasks is summed up by kind. */
const listedPerLevelMax = 8;
const parentsListedMax = 3;
const pathListedMax = 20;

/** graphLines is a graph for people: each level with its tasks, or with its kinds where there are many, and the critical path. */
export function graphLines(screen: Screen, graph: GetBatchGraphResponse): string[] {
  const { nodes, edges, levelCount, criticalPath } = graph;
  if (nodes.length === 0) return ["The graph has no tasks."];
  const labels = new Map(nodes.map(({ taskId, key, name }) => [taskId, printable(key || name)]));
  const parents = Map.groupBy(edges, ({ childTaskId }) => childTaskId);
  const parentsText = ({ taskId }: GraphNode): string => {
    const all = parents.get(taskId) ?? [];
    const listed = all.slice(0, parentsListedMax).map(({ parentTaskId }) => labels.get(parentTaskId) ?? parentTaskId);
    const more = all.length > listed.length ? ` and ${all.length - listed.length} more` : "";
    return listed.length === 0 ? "" : `after ${listed.join(", ")}${more}`;
  };
  const levels = [...Map.groupBy(nodes, ({ level }) => level)].sort(([a], [b]) => a - b);
  return [
    `${nodes.length} tasks, ${edges.length} dependencies, ${levelCount} levels`,
    ...levels.flatMap(([level, members]) => [
      "",
      styled(screen, "bold", `level ${level}`) + (members.length > 1 ? `  ${members.length} tasks side by side` : ""),
      ...(members.length > listedPerLevelMax ? kindLines(screen, members) : nodeLines(screen, members, parentsText)),
    ]),
    "",
    ...pathLines(
      screen,
      graph,
      criticalPath.map((id) => labels.get(id) ?? id),
    ),
  ];
}

function nodeLines(screen: Screen, nodes: readonly GraphNode[], parentsText: (node: GraphNode) => string): string[] {
  const columns: Column<GraphNode>[] = [
    { title: "", text: ({ critical }) => (critical ? " *" : "  ") },
    { title: "", text: ({ status }) => TaskStatus[status] ?? "", style: ({ status }) => statusStyle(status) },
    { title: "", text: ({ key, name }) => key || name, cutTo: 10 },
    { title: "", text: ({ kind }) => kind, cutTo: 8, dropRank: 3 },
    { title: "", text: durationOf, alignRight: true, dropRank: 2 },
    { title: "", text: parentsText, cutTo: 10, dropRank: 1 },
  ];
  return drawRows(screen, columns, nodes).slice(1);
}

function kindLines(screen: Screen, nodes: readonly GraphNode[]): string[] {
  return [...Map.groupBy(nodes, ({ kind }) => kind)].map(([kind, members]) => {
    const statuses = [...Map.groupBy(members, ({ status }) => status)].map(
      ([status, { length }]) => `${length} ${TaskStatus[status]}`,
    );
    const mark = members.some(({ critical }) => critical) ? " *" : "  ";
    return cut(`${mark}  ${members.length} of kind ${kind}: ${statuses.join(", ")}`, screen.width);
  });
}

function pathLines(screen: Screen, graph: GetBatchGraphResponse, labels: readonly string[]): string[] {
  const { nodes, criticalPathDuration } = graph;
  if (labels.length === 0) return [];
  const isEstimate = nodes.some(({ critical, estimated }) => critical && estimated);
  const length = criticalPathDuration ? durationText(durationMs(criticalPathDuration)) : "";
  const shown = labels.length > pathListedMax ? [...labels.slice(0, 10), "…", ...labels.slice(-9)] : labels;
  const title = `critical path (*)  ${labels.length} tasks, ${length}${isEstimate ? ", in part estimated" : ""}`;
  return [styled(screen, "bold", title), `  ${shown.join(" → ")}`];
}

function durationOf({ duration, estimated }: GraphNode): string {
  const text = lengthOf(duration);
  return estimated && text !== "" ? `~${text}` : text;
}
