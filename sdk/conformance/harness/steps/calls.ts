import type { CaseContext } from "../case-context.ts";
import type { Step } from "../case-file.ts";
import { expectOrBegin, expectOutcome } from "../outcome.ts";

type Answer = Record<string, unknown>;

/** The name of a client that a step speaks by. */
function clientOf(context: CaseContext, step: Step): string {
  return context.scoped(typeof step.by === "string" ? step.by : "client");
}

function methodOf(name: unknown): string {
  return `millpond.v1.${name}`;
}

/** `open: NAME`: makes a client, through the proxy unless another address is given. */
export async function open(context: CaseContext, step: Step): Promise<void> {
  const { address, token, timeoutMs, retry } = context.variables.fill(step) as Record<string, unknown>;
  const client = context.scoped(String(step.open));
  const fields = { client, address: address ?? `http://127.0.0.1:${context.proxy.port}`, token, timeoutMs, retry };
  await expectOutcome(context, step, () => context.runner.ask("client.open", fields));
}

/** `close: NAME`: ends a client. */
export async function close(context: CaseContext, step: Step): Promise<void> {
  await context.runner.ask("client.close", { client: context.scoped(String(step.close)) });
}

/** `call: SERVICE/METHOD`, `with`: a unary call. With `background: NAME` it is waited for by `joins: NAME`, and can be ended by `cancel: NAME`. */
export async function call(context: CaseContext, step: Step): Promise<void> {
  const act = async (): Promise<Answer> => {
    const fields = {
      client: clientOf(context, step),
      method: methodOf(step.call),
      request: context.variables.fill(step.with ?? {}),
      ...(step.timeoutMs !== undefined && { timeoutMs: step.timeoutMs }),
      ...(step.background !== undefined && { call: context.scoped(String(step.background)) }),
    };
    return (await context.runner.ask("call", fields)).response as Answer;
  };
  await expectOrBegin(context, step, act);
}

/** `joins: NAME`: waits for what was begun in the background. */
export async function joins(context: CaseContext, step: Step): Promise<void> {
  const pending = context.background.get(String(step.joins));
  if (!pending) throw new Error(`nothing named "${step.joins}" is in the background`);
  await expectOutcome(context, step, () => pending);
}

/** `cancel: NAME`: cancels a call in the background. */
export async function cancel(context: CaseContext, step: Step): Promise<void> {
  await context.runner.ask("cancel", { call: context.scoped(String(step.cancel)) });
}

/** `stream: SERVICE/METHOD`, `with`: sends a list of messages and looks at all that is answered, `{responses: [...]}`. */
export async function stream(context: CaseContext, step: Step): Promise<void> {
  await expectOutcome(context, step, () =>
    context.runner.ask("stream", {
      client: clientOf(context, step),
      method: methodOf(step.stream),
      requests: context.variables.fill(step.with ?? []),
      ...(step.timeoutMs !== undefined && { timeoutMs: step.timeoutMs }),
    }),
  );
}

/**
 * `graph: {tasks, batch?, batchId?, submit?, requestId?, partSize?}`: the graph builder. What is created is answered as CreateTasks (or UploadTasks) answers it, with `ids`: the ids by
 * key. With `submit: none` the request is what is looked at.
 */
export async function graph(context: CaseContext, step: Step): Promise<void> {
  const given = context.variables.fill(step.graph) as Record<string, unknown>;
  const submit = given.submit ?? "create";
  await expectOutcome(context, step, async () => {
    const answer = await context.runner.ask("graph", { client: clientOf(context, step), ...given, submit });
    if (submit === "none") return answer.request as Answer;
    const response = answer.response as Answer;
    return { ...response, ids: await idsOf(context, response) };
  });
}

async function idsOf(context: CaseContext, response: Answer): Promise<Record<string, string>> {
  const { tasks = [] } = response as { tasks?: readonly { key?: string; taskId?: string }[] };
  const ids: Record<string, string> = {};
  for (const { key, taskId } of tasks) {
    if (key === undefined || taskId === undefined) continue;
    ids[key] = taskId;
    context.keys.set(taskId, key);
  }
  return ids;
}

/** `logs: TASK_ID`, `attempt?`, `follow?`: reads a log to its end, as `{entries: [...]}`. */
export async function logs(context: CaseContext, step: Step): Promise<void> {
  const { logs: taskId, attempt, follow } = context.variables.fill(step) as Record<string, unknown>;
  await expectOrBegin(context, step, () =>
    context.runner.ask("logs", { client: clientOf(context, step), taskId, attempt, follow }),
  );
}
