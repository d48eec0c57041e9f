import { startCutProxy } from "../../../test/support/cut-proxy.ts";
import { AnswerLoser } from "./answer-loser.ts";
import type { CaseContext } from "./case-context.ts";
import { type Action, actionOf, type ConformanceCase, type Step } from "./case-file.ts";
import type { ConformanceServer } from "./conformance-server.ts";
import type { SdkLanguage } from "./languages.ts";
import type { RunnerProcess } from "./runner-process.ts";
import { call, cancel, close, graph, joins, logs, open, stream } from "./steps/calls.ts";
import { database, fake, proxy, received, receiver, server, signal, slowed, status } from "./steps/surroundings.ts";
import { collect, unwatch, watch } from "./steps/watches.ts";
import { release, saw, stop, worker } from "./steps/workers.ts";
import { Variables } from "./variables.ts";

const steps: Readonly<Record<Action, (context: CaseContext, step: Step) => Promise<void>>> = {
  ...{ call, joins, cancel, stream, graph, open, close },
  ...{ watch, collect, unwatch, logs, worker, release, saw, stop },
  ...{ proxy, server, database, signal, fake, slowed, receiver, received, status },
};

let runs = 0;

/** What a case is run with. */
export interface CaseRun {
  readonly language: SdkLanguage;
  readonly runner: RunnerProcess;
  readonly server: ConformanceServer;
}

/**
 * runCase runs a case: a proxy of its own, a client named `client` through it, and its steps. `$kind` is a kind of task that no other case uses, `$run` a text. Throws with the step that failed and how, and with what the
 * runner said.
 */
export async function runCase({ steps: list, name }: ConformanceCase, run: CaseRun): Promise<void> {
  const id = `${run.language.name}-${name}-${++runs}`;
  const cleanUps: (() => Promise<unknown>)[] = [];
  const variables = new Variables();
  variables.set("kind", id);
  variables.set("run", id);
  const loser = new AnswerLoser();
  await using caseProxy = await startCutProxy(run.server.port, () => loser.connection());
  const context: CaseContext = {
    ...run,
    ...{ proxy: { ...caseProxy, loseAnswer: () => loser.arm() }, variables, background: new Map(), keys: new Map() },
    scoped: (each) => `${id}/${each}`,
    onEnd: (cleanUp) => cleanUps.push(cleanUp),
  };
  let failure: unknown;
  try {
    await open(context, { open: "client" });
    context.onEnd(() => close(context, { close: "client" }));
    for (const [index, step] of list.entries()) await runStep(context, step, index);
  } catch (error) {
    failure = error;
  }
  // What is left goes on by itself where the proxy is mended.
  caseProxy.mend();
  for (const cleanUp of cleanUps.reverse()) {
    await cleanUp().catch((error: unknown) => {
      failure ??= error;
    });
  }
  if (failure !== undefined) throw failure;
}

async function runStep(context: CaseContext, step: Step, index: number): Promise<void> {
  const action = actionOf(step);
  try {
    await steps[action](context, step);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const notes = context.runner.notes;
    throw new Error(
      `step ${index + 1}, ${action} ${JSON.stringify(step[action])}: ${why}${notes === "" ? "" : `\nthe runner said:\n${notes}`}`,
      { cause: error },
    );
  }
}
