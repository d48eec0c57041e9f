import { CommandFailure, exitCodes } from "../command-failure.ts";
import { jsonErrorPlace } from "../input/json-error-place.ts";
import { readText } from "../input/read-text.ts";

/** Workflow is a graph of programs with the run times that were recorded when it was run for real. */
export interface Workflow {
  readonly name: string;
  /** Where the recording comes from; empty: not said. */
  readonly source: string;
  readonly tasks: readonly WorkflowTask[];
}

/** WorkflowTask is one program of a workflow. */
export interface WorkflowTask {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  /** Ids of the tasks that come before. */
  readonly parents: readonly string[];
  readonly runtimeSeconds: number;
}

const problemsMax = 10;

/**
 * readWorkflowFile reads and checks a workflow file: JSON with `name`, `source` (optional) and `tasks`, each with `id`,
 * `name` (default: the id), `kind`, `parents` (ids, default none) and `runtime_seconds`; other fields are ignored.
 * Whether the parents exist and form no circle is checked by the server. Fails with a CommandFailure that lists what
 * is wrong and where.
 */
export async function readWorkflowFile(path: string): Promise<Workflow> {
  return parseWorkflow(await readText(path), path);
}

/** parseWorkflow is {@link readWorkflowFile} for text; `path` names it in errors. */
export function parseWorkflow(text: string, path: string): Workflow {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const place = jsonErrorPlace(text);
    throw new CommandFailure(`${path} is no JSON, at ${place}: ${(error as Error).message}`, exitCodes.misuse);
  }
  return workflowOf(json, path);
}

/** workflowOf is {@link parseWorkflow} for what is parsed already. */
export function workflowOf(json: unknown, path: string): Workflow {
  const problems: string[] = [];
  const workflow = readWorkflow(json, problems);
  if (problems.length === 0) return workflow;
  const shown = problems.slice(0, problemsMax).map((problem) => `\n  ${problem}`);
  const hidden = problems.length - shown.length;
  throw new CommandFailure(
    `${path} is no workflow:${shown.join("")}${hidden > 0 ? `\n  and ${hidden} more` : ""}`,
    exitCodes.misuse,
  );
}

function readWorkflow(json: unknown, problems: string[]): Workflow {
  if (!isObject(json)) {
    problems.push(`it is ${nameOf(json)}, not an object with "name" and "tasks"`);
    return { name: "", source: "", tasks: [] };
  }
  const name = textOf(json.name, "name", problems);
  const source = json.source === undefined ? "" : textOf(json.source, "source", problems);
  if (!Array.isArray(json.tasks)) {
    problems.push(`tasks is ${nameOf(json.tasks)}, not a list`);
    return { name, source, tasks: [] };
  }
  const tasks = json.tasks.map((task: unknown, index) => readTask(task, `tasks[${index}]`, problems));
  const firstIndex = new Map<string, number>();
  for (const [index, { id }] of tasks.entries()) {
    const first = firstIndex.get(id);
    if (first === undefined) firstIndex.set(id, index);
    else if (id !== "") problems.push(`tasks[${index}].id "${id}" is the id of tasks[${first}] too`);
  }
  return { name, source, tasks };
}

function readTask(json: unknown, at: string, problems: string[]): WorkflowTask {
  if (!isObject(json)) {
    problems.push(`${at} is ${nameOf(json)}, not an object`);
    return { id: "", name: "", kind: "", parents: [], runtimeSeconds: 0 };
  }
  const id = textOf(json.id, `${at}.id`, problems);
  return {
    id,
    name: json.name === undefined ? id : textOf(json.name, `${at}.name`, problems),
    kind: textOf(json.kind, `${at}.kind`, problems),
    parents: readParents(json.parents, `${at}.parents`, problems),
    runtimeSeconds: readSeconds(json.runtime_seconds, `${at}.runtime_seconds`, problems),
  };
}

function readParents(json: unknown, at: string, problems: string[]): string[] {
  if (json === undefined) return [];
  if (!Array.isArray(json)) {
    problems.push(`${at} is ${nameOf(json)}, not a list of ids`);
    return [];
  }
  return json.map((parent: unknown, index) => textOf(parent, `${at}[${index}]`, problems));
}

function textOf(json: unknown, at: string, problems: string[]): string {
  if (typeof json === "string" && json !== "") return json;
  problems.push(json === "" ? `${at} is empty` : `${at} is ${nameOf(json)}, not a text`);
  return "";
}

function readSeconds(json: unknown, at: string, problems: string[]): number {
  if (typeof json === "number" && Number.isFinite(json) && json >= 0) return json;
  problems.push(`${at} is ${typeof json === "number" ? json : nameOf(json)}, not a number of 0 or more`);
  return 0;
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function nameOf(json: unknown): string {
  if (json === undefined) return "missing";
  if (json === null) return "null";
  if (Array.isArray(json)) return "a list";
  return typeof json === "object" ? "an object" : `a ${typeof json}`;
}
