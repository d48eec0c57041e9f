import type { NewTask } from "../domain/new-task.ts";
import type { InnerEdge, TaskGraph } from "../domain/task-graph.ts";
import { DependencyCondition, Execution, TaskStatus } from "../domain/task-status.ts";
import type { NewTaskRow } from "../store/create-tasks.ts";
import { formatMicros } from "../store/pg-types.ts";

/** What rows are made from: a graph that has been checked, and what is known of its tasks, by their places in it. */
export interface RowSource {
  readonly graph: TaskGraph;
  readonly taskAt: (place: number) => NewTask;
  /** What the rows of a task's parents and children depend on. */
  readonly traitsAt: (place: number) => Pick<NewTask, "execution" | "onlyForDependents">;
  readonly idAt: (place: number) => bigint;
  readonly queueAt: (place: number) => number;
  readonly policyAt: (place: number) => number | null;
  readonly laneAt: (place: number) => bigint | null;
  readonly flowAt: (place: number) => number | null;
}

/** Makes the row of a task. */
export function taskRow({ graph, taskAt, traitsAt, ...source }: RowSource, place: number): NewTaskRow {
  const task = taskAt(place);
  const [inner, children] = [graph.inner.of(place), graph.children.of(place)];
  const late = graph.late[place] ?? [];
  const parents = [...inner.map((edge) => source.idAt(edge.place)), ...late.map((edge) => edge.parent)];
  const { name, metadata, input, spec, execution, priority, expectedCount, unmetPolicy } = task;
  const cascades = ({ place: child, condition }: InnerEdge): boolean =>
    condition === DependencyCondition.FAILURE || traitsAt(child).execution === Execution.JOIN;
  return {
    ...{ id: source.idAt(place), queue: source.queueAt(place), execution, priority },
    status: parents.length === 0 ? TaskStatus.PENDING : TaskStatus.WAITING,
    ...{ key: task.key === "" ? null : task.key, name, metadata, input, spec, expectedCount, unmetPolicy },
    startTime: task.startTime === null ? null : formatMicros(task.startTime),
    ...{ startTimeoutMs: task.startTimeoutMs, inactivityTimeoutMs: task.inactivityTimeoutMs },
    ...{ executionTimeoutMs: task.executionTimeoutMs, totalTimeoutMs: task.totalTimeoutMs },
    ...{ policy: source.policyAt(place), lane: source.laneAt(place), flow: source.flowAt(place) },
    notifies: task.onSuccess | (task.onFailure << 5) | (task.onCancel << 10),
    ...{ critical: task.critical, onlyForDependents: task.onlyForDependents },
    serves: inner.some((edge) => traitsAt(edge.place).onlyForDependents),
    ...{ depsLeft: parents.length, dependents: children.length, cascades: children.some(cascades) },
    parents: arrayText(parents),
    parentConditions: conditionsText([...inner, ...late]),
    children: arrayText(children.map((edge) => source.idAt(edge.place))),
    childConditions: conditionsText(children),
  };
}

function arrayText(items: readonly unknown[]): string | null {
  return items.length === 0 ? null : `{${items.join(",")}}`;
}

/** Conditions of edges; nothing where all of them are SUCCESS, as most are. */
function conditionsText(edges: readonly { readonly condition: number }[]): string | null {
  return edges.every((edge) => edge.condition === DependencyCondition.SUCCESS)
    ? null
    : arrayText(edges.map((edge) => edge.condition));
}
