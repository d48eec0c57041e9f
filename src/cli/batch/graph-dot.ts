import { DependencyCondition, type GetBatchGraphResponse, TaskStatus } from "@millpond/sdk";

/** Names that Graphviz knows. */
const colours: Partial<Record<TaskStatus, string>> = {
  [TaskStatus.SUCCESS]: "palegreen",
  [TaskStatus.FAILURE]: "salmon",
  [TaskStatus.CANCELED]: "khaki",
  [TaskStatus.PAUSED]: "khaki",
  [TaskStatus.CLAIMED]: "lightskyblue",
  [TaskStatus.RUNNING]: "lightskyblue",
  [TaskStatus.SKIPPED]: "lightgrey",
};

/** dotLines is a graph in Graphviz's language: nodes by status, the critical path thick, other conditions than success named. */
export function dotLines({ nodes, edges }: GetBatchGraphResponse): string[] {
  const critical = new Set(nodes.filter((node) => node.critical).map(({ taskId }) => taskId));
  return [
    "digraph batch {",
    "  rankdir=LR;",
    '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];',
    ...nodes.map(({ taskId, key, name, kind, status }) => {
      const label = `${key || name}\n${kind}\n${TaskStatus[status]}`;
      const width = critical.has(taskId) ? ", penwidth=3" : "";
      return `  ${quoted(taskId)} [label=${quoted(label)}, fillcolor=${colours[status] ?? "white"}${width}];`;
    }),
    ...edges.map(({ parentTaskId, childTaskId, condition }) => {
      const attributes = [
        ...(condition === DependencyCondition.COMPLETED ? ['label="ended"', "style=dashed"] : []),
        ...(condition === DependencyCondition.FAILURE ? ['label="failed"', "style=dotted"] : []),
        ...(critical.has(parentTaskId) && critical.has(childTaskId) ? ["penwidth=3"] : []),
      ];
      const list = attributes.length === 0 ? "" : ` [${attributes.join(", ")}]`;
      return `  ${quoted(parentTaskId)} -> ${quoted(childTaskId)}${list};`;
    }),
    "}",
  ];
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}
