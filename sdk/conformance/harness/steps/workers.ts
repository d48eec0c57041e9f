import type { CaseContext } from "../case-context.ts";
import type { Step } from "../case-file.ts";
import { expectOrBegin, expectOutcome } from "../outcome.ts";

/** `worker: NAME`, `handlers`, and the options of `worker.open`: starts a worker. `$NAME.workerId` is its id. */
export async function worker(context: CaseContext, step: Step): Promise<void> {
  const { worker: name, by, fails: _, ...options } = context.variables.fill(step) as Record<string, unknown>;
  const client = context.scoped(typeof by === "string" ? by : "client");
  const scoped = context.scoped(String(name));
  const answer = await expectOutcome(context, step, () =>
    context.runner.ask("worker.open", { ...options, client, worker: scoped }),
  );
  context.variables.set(String(name), answer);
  if (step.fails !== undefined) return;
  context.onEnd(async () => {
    await context.runner.ask("worker.release", { worker: scoped });
    await context.runner.ask("worker.stop", { worker: scoped });
  });
}

/** `release: NAME`: lets handlers go on that hold. */
export async function release(context: CaseContext, step: Step): Promise<void> {
  await context.runner.ask("worker.release", { worker: context.scoped(String(step.release)) });
}

/** `saw: NAME`, `answers`: waits until what a worker has seen, `{events, errors, done}`, is as expected. */
export async function saw(context: CaseContext, step: Step): Promise<void> {
  await expectOutcome(context, { ...step, eventually: true }, () =>
    context.runner.ask("worker.state", { worker: context.scoped(String(step.saw)) }),
  );
}

/** `stop: NAME`: stops a worker and waits until it has stopped. With `background: NAME` it is waited for by `joins`. */
export async function stop(context: CaseContext, step: Step): Promise<void> {
  await expectOrBegin(context, step, () =>
    context.runner.ask("worker.stop", { worker: context.scoped(String(step.stop)) }),
  );
}
