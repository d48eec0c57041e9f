import type { FlowRequest } from "../store/flows.ts";
import type { Engine } from "./engine.ts";

/** The numbers of tasks' fairness keys; null for a task without one. Most have none: then nothing is made. */
export async function internFlows(
  engine: Pick<Engine, "flows" | "namespaceId">,
  tasks: readonly FlowRequest[],
  queues: readonly number[],
): Promise<readonly (number | null)[]> {
  if (tasks.every(({ fairnessKey }) => fairnessKey === "")) return [];
  return engine.flows.intern(engine.namespaceId, tasks, queues);
}
