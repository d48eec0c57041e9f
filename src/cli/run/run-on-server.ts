import { isMap, isNode, isScalar, isSeq, type Node } from "yaml";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { explainViolations } from "../graph-file/explain-violations.ts";
import { graphFileOf } from "../graph-file/graph-file.ts";
import { parseSource, type SourceText } from "../graph-file/source-text.ts";
import { readText } from "../input/read-text.ts";
import { runGraph } from "./run-graph.ts";
import { runWorkflow } from "./run-workflow.ts";
import { workflowOf } from "./workflow-file.ts";

/** RunOptions are the options of `millpond run`. */
export interface RunOptions extends ConnectionOptions {
  readonly speedup?: number;
  readonly slots?: number;
}

const slotsDefault = 1_000;

/** runOnServer is what `millpond run` does. */
export async function runOnServer(path: string, options: RunOptions): Promise<void> {
  const source = parseSource(await readText(path), path);
  if (isRecording(source)) return runRecording(source, options);
  const flag = options.speedup !== undefined ? "--speedup" : options.slots !== undefined ? "--slots" : undefined;
  if (flag !== undefined) {
    throw new CommandFailure(
      `${flag} is for recorded workflows, and ${source.name} is none: its tasks are executed by workers; see millpond worker --help`,
      exitCodes.misuse,
    );
  }
  const file = graphFileOf(source);
  await withServer(options, (session) => runGraph(file, session), { stopped: "stopped, and the batch with it" });
}

async function runRecording(
  source: SourceText,
  { speedup = 1, slots = slotsDefault, ...options }: RunOptions,
): Promise<void> {
  const workflow = workflowOf(source.document.toJS(), source.name);
  await withServer(
    options,
    async (session) => {
      await runWorkflow({ ...session, workflow, speedup, slots, submittedBy: "millpond run" }).catch(
        (error: unknown) => {
          throw explainViolations(error, source, offsetsOf(source)) ?? error;
        },
      );
    },
    { stopped: "stopped, and the batch with it" },
  );
}

/** Where each task of a recording and its parents stand, by the paths of the request that is made of them. */
function offsetsOf({ document: { contents } }: SourceText): Map<string, number> {
  const offsets = new Map<string, number>();
  const note = (at: string, node: unknown) => {
    const offset = isNode(node) ? node.range?.[0] : undefined;
    if (offset !== undefined) offsets.set(at, offset);
  };
  const tasks = isMap(contents) ? contents.get("tasks", true) : undefined;
  for (const [index, task] of isSeq(tasks) ? tasks.items.entries() : []) {
    note(`tasks[${index}]`, task);
    const parents = isMap(task) ? task.get("parents", true) : undefined;
    note(`tasks[${index}].dependencies`, parents);
    for (const [place, parent] of isSeq(parents) ? parents.items.entries() : []) {
      note(`tasks[${index}].dependencies[${place}]`, parent);
    }
  }
  return offsets;
}

/**
 * Whether it is a recorded workflow and no CreateTasks request: its tasks have what only those have, or it has a name of its
 * own and no tasks that would tell.
 */
function isRecording({ document: { contents } }: SourceText): boolean {
  if (!isMap(contents)) return false;
  const tasks = contents.get("tasks", true) as Node | undefined;
  const names = isSeq(tasks)
    ? tasks.items.flatMap((task) => (isMap(task) ? task.items.map(({ key }) => key) : []))
    : [];
  const isOfRecording = (key: unknown) =>
    isScalar(key) && ["id", "parents", "runtime_seconds"].includes(String(key.value));
  return names.some(isOfRecording) || (contents.has("name") && names.length === 0);
}
