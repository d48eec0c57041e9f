import { setTimeout as sleep } from "node:timers/promises";
import type { JsonValue } from "@bufbuild/protobuf";
import { TaskStatus } from "../src/gen/millpond/v1/task_pb.js";
import { NonRetryable, TaskError } from "../src/worker/task-error.ts";
import type { LogLevelName, TaskContext } from "../src/worker/task-handler.ts";

/** What a handler is told to do: the table of sdk/conformance/README.md. */
export type Behaviour = Readonly<Record<string, never>> & { readonly do: string };

interface Surroundings {
  readonly attempt: number;
  readonly context: TaskContext;
  readonly released: Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: the fields come from JSON, and each behaviour reads its own.
type Behave = (fields: any, surroundings: Surroundings) => unknown;

/** behave does what a handler is told to. */
export function behave(behaviour: Behaviour, surroundings: Surroundings): unknown {
  const act = behaviours[behaviour.do];
  if (!act) throw new Error(`a handler cannot "${behaviour.do}"`);
  return act(behaviour, surroundings);
}

const behaviours: Readonly<Record<string, Behave>> = {
  echo: (_, { context }) => context.input,
  return: ({ value }) => value,
  nothing: () => undefined,
  parents: (_, { context }) =>
    Object.fromEntries(
      Object.entries(context.parents).map(([key, { status, output }]) => [key, { status: TaskStatus[status], output }]),
    ),
  fail: ({ message, code, details, retryDelayMs, nonRetryable }) => {
    const Failure = nonRetryable ? NonRetryable : TaskError;
    throw new Failure(message, { code, details, retryDelayMs });
  },
  throw: ({ message }) => {
    throw new Error(message);
  },
  panic: ({ message }) => {
    throw new Error(message);
  },
  unencodable: () => 1n,
  sleep: async ({ ms }, { context: { signal, input } }) => {
    await sleep(ms, undefined, { signal });
    return input;
  },
  hold,
  hang: () => new Promise(() => undefined),
  log: ({ lines }, { context }) => {
    for (const { level, message } of lines) context.log(level.toLowerCase() as LogLevelName, message);
  },
  count: ({ success, failure }, { context }) => context.count({ success: BigInt(success), failure: BigInt(failure) }),
  heartbeat: async ({ progress }, surroundings) => {
    await surroundings.context.heartbeat(progress as JsonValue);
    return hold({}, surroundings);
  },
  attempts: ({ attempts }, surroundings) => {
    const { attempt } = surroundings;
    return behave(attempts[Math.min(attempt, attempts.length) - 1], surroundings);
  },
};

async function hold(_: object, { context: { signal, input }, released }: Surroundings): Promise<unknown> {
  const aborted = Promise.withResolvers<never>();
  if (signal.aborted) throw signal.reason;
  signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
  await Promise.race([released, aborted.promise]);
  return input;
}
