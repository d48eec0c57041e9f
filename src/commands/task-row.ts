import type { OwnParts, TaskTraits } from "../domain/packed-tasks.ts";
import { RuleType } from "../domain/rule.ts";
import type { InnerEdge, TaskGraph } from "../domain/task-graph.ts";
import { DependencyCondition, Execution, TaskStatus } from "../domain/task-status.ts";
import type { NewTaskRow } from "../store/create-tasks.ts";
import { formatMicros } from "../store/pg-types.ts";

/** What rows are made from: a graph that has been checked, and what is known of its tasks, by their places in it. */
export interface RowSource {
  readonly graph: TaskGraph;
  /** What a task has for itself. */
  readonly ownAt: (place: number) => OwnParts;
  /** What it may have in common with others; of these, the rows of its parents and children depend on some. */
  readonly traitsAt: (place: number) => TaskTraits;
  readonly idAt: (place: number) => bigint;
  readonly queueAt: (place: number) => number;
  readonly policyAt: (place: number) => number | null;
  readonly laneAt: (place: number) => bigint | null;
  readonly flowAt: (place: number) => number | null;
}

/** Makes the row of a task. One literal without parts: putting objects together takes ten times as long, and graphs have many tasks. */
export function taskRow(source: RowSource, place: number): NewTaskRow {
  const { graph, traitsAt } = source;
  const own = source.ownAt(place);
  const traits = traitsAt(place);
  const inner = graph.inner.of(place);
  const children = graph.children.of(place);
  const late = graph.late[place] ?? none;
  const parents = inner.map((edge) => source.idAt(edge.place));
  for (const edge of late) parents.push(edge.parent);
  const cascades = ({ place: child, condition }: InnerEdge): boolean =>
    condition === DependencyCondition.FAILURE || traitsAt(child).execution === Execution.JOIN;
  return {
    id: source.idAt(place),
    queue: source.queueAt(place),
    execution: traits.execution,
    priority: traits.priority,
    status: parents.length === 0 ? TaskStatus.PENDING : TaskStatus.WAITING,
    key: own.key === "" ? null : own.key,
    name: own.name,
    metadata: own.metadata,
    input: own.input,
    spec: own.spec,
    expectedCount: own.expectedCount,
    unmetPolicy: traits.unmetPolicy,
    startTime: own.startTime === null ? null : formatMicros(own.startTime),
    startTimeoutMs: traits.startTimeoutMs,
    inactivityTimeoutMs: traits.inactivityTimeoutMs,
    executionTimeoutMs: traits.executionTimeoutMs,
    totalTimeoutMs: traits.totalTimeoutMs,
    policy: source.policyAt(place),
    lane: source.laneAt(place),
    flow: source.flowAt(place),
    countsHolders: traits.rules.every(({ type }) => type === RuleType.CONCURRENCY),
    notifies: traits.onSuccess | (traits.onFailure << 5) | (traits.onCancel << 10),
    critical: traits.critical,
    onlyForDependents: traits.onlyForDependents,
    serves: inner.some((edge) => traitsAt(edge.place).onlyForDependents),
    depsLeft: parents.length,
    dependents: children.length,
    cascades: children.some(cascades),
    parents: arrayText(parents),
    parentConditions: conditionsText(late.length === 0 ? inner : [...inner, ...late]),
    children: arrayText(children.map((edge) => source.idAt(edge.place))),
    childConditions: conditionsText(children),
  };
}

const none: readonly never[] = [];

function arrayText(items: readonly unknown[]): string | null {
  return items.length === 0 ? null : `{${items.join(",")}}`;
}

/** Conditions of edges; nothing where all of them are SUCCESS, as most are. */
function conditionsText(edges: readonly { readonly condition: number }[]): string | null {
  return edges.every((edge) => edge.condition === DependencyCondition.SUCCESS)
    ? null
    : arrayText(edges.map((edge) => edge.condition));
}
