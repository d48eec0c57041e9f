import type { MillpondClient } from "../src/client.ts";
import { AttemptAborted } from "../src/worker/attempt-aborted.ts";
import type { TaskContext } from "../src/worker/task-handler.ts";
import { createWorker, type TaskWorker } from "../src/worker/task-worker.ts";
import { type Behaviour, behave } from "./behaviours.ts";
import { describeError } from "./describe-error.ts";

interface WorkerFields {
  readonly worker: string;
  readonly handlers: Readonly<Record<string, Behaviour>>;
  readonly workerId?: string;
  readonly slots?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly stream?: boolean;
  readonly leaseMs?: number;
  readonly stopGraceMs?: number;
  readonly stopOnSigterm?: boolean;
  readonly silenceMaxMs?: number;
  readonly streamRetryMs?: number;
}

interface Observed {
  readonly worker: TaskWorker;
  readonly events: object[];
  readonly errors: string[];
  readonly released: PromiseWithResolvers<void>;
  done: object | null;
}

/** Workers keeps the workers that were started, and what they have seen. */
export class Workers {
  readonly #all = new Map<string, Observed>();

  open(client: MillpondClient, { worker: name, handlers, ...options }: WorkerFields): object {
    const events: object[] = [];
    const errors: string[] = [];
    const released = Promise.withResolvers<void>();
    const onError = (error: unknown) => errors.push(error instanceof Error ? error.message : String(error));
    const worker = createWorker({ ...options, client, onError });
    const observed: Observed = { worker, events, errors, released, done: null };
    for (const [kind, behaviour] of Object.entries(handlers)) {
      worker.handle(kind, async ({ task, attempt }, context) => {
        const seen = { taskId: task?.taskId, kind, attempt };
        events.push({ type: "started", ...seen, input: context.input });
        noteAbort(context, (reason) => events.push({ type: "aborted", ...seen, reason }));
        try {
          return await behave(behaviour, { attempt, context, released: released.promise });
        } finally {
          events.push({ type: "ended", ...seen });
        }
      });
    }
    worker.start();
    worker.done.then(
      () => (observed.done = {}),
      (error: unknown) => (observed.done = { error: describeError(error) }),
    );
    this.#all.set(name, observed);
    return { workerId: worker.workerId };
  }

  release(name: string): object {
    this.#find(name).released.resolve();
    return {};
  }

  state(name: string): object {
    const { events, errors, done } = this.#find(name);
    return { events, errors, done };
  }

  async stop(name: string): Promise<object> {
    await this.#find(name).worker.stop();
    return {};
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#all.values()].map(({ worker }) => worker.stop()));
  }

  #find(name: string): Observed {
    const found = this.#all.get(name);
    if (!found) throw new Error(`there is no worker "${name}"`);
    return found;
  }
}

function noteAbort({ signal }: TaskContext, note: (reason: string) => void): void {
  signal.addEventListener("abort", () => {
    if (signal.reason instanceof AttemptAborted) note(signal.reason.reason.toUpperCase());
  });
}
