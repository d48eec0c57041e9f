import { setTimeout as sleep } from "node:timers/promises";
import type { CaseContext } from "../case-context.ts";
import type { Step } from "../case-file.ts";
import type { ServerSettings } from "../conformance-server.ts";
import { differences } from "../differences.ts";
import { startFakeServer } from "../fake-servers.ts";
import { startReceiver } from "../receiver.ts";

const statusMs = 60_000;
/** Far above the longest delay before the first repeat (100 ms), far below what delays grow to (5 s). */
const longPauseMs = 500;
const lastPauses = 5;

/**
 * `proxy: cut | mend | stall | lose-answer`: ends all connections and takes none; takes them again; lets nothing through any more by the connections that there are, without ending them; breaks the
 * connection of the next answer before it gets through, once.
 */
export async function proxy(context: CaseContext, step: Step): Promise<void> {
  const { cut, mend, stall, loseAnswer } = context.proxy;
  const acts = { cut, mend, stall, "lose-answer": loseAnswer };
  const act = acts[step.proxy as keyof typeof acts];
  if (!act) throw new Error(`proxy: "${step.proxy}" is none of ${Object.keys(acts).join(", ")}`);
  act();
}

/**
 * `server: restart`, `settings?`: the server is told to end (SIGTERM), drains, and is started again at its address: with settings, as its environment names them, until the case is over or the server is
 * started once more.
 */
export async function server(context: CaseContext, step: Step): Promise<void> {
  if (step.server !== "restart") throw new Error(`server: "${step.server}" is not restart`);
  const settings = context.variables.fill(step.settings ?? {}) as ServerSettings;
  if (step.settings !== undefined) context.onEnd(() => context.server.restart());
  await context.server.restart(settings);
}

/** `database: cut | mend | forget-events`: ends all connections of the server to its database and lets it make none; lets it make them again; deletes all events that there are, as retention does. */
export async function database(context: CaseContext, step: Step): Promise<void> {
  const { cut, mend, forgetEvents } = context.server.database;
  const acts = { cut, mend, "forget-events": forgetEvents };
  const act = acts[step.database as keyof typeof acts];
  if (!act) throw new Error(`database: "${step.database}" is none of ${Object.keys(acts).join(", ")}`);
  if (step.database === "cut") context.onEnd(async () => mend());
  await act();
}

/** `signal: SIGTERM`: sends a signal to the runner's process. */
export async function signal(context: CaseContext, step: Step): Promise<void> {
  context.runner.signal(step.signal as NodeJS.Signals);
}

/** `fake: nothing | html | silent | newer | older | mute | flaky`, `as`: something else than this version's server, at `$AS.address`. */
export async function fake(context: CaseContext, step: Step): Promise<void> {
  const started = await startFakeServer(String(step.fake), context.server.address);
  context.onEnd(started.stop);
  context.variables.set(String(step.as), { address: started.address, pausesMs: started.pausesMs });
}

/** `slowed: NAME`: waits until who comes back to a flaky fake again and again does so with pauses. */
export async function slowed(context: CaseContext, step: Step): Promise<void> {
  const pausesMs = context.variables.fill(`$${step.slowed}.pausesMs`) as readonly number[];
  await until(() => {
    const last = pausesMs.slice(-lastPauses);
    // Most of them, not one: that could be a machine that is busy.
    if (last.filter((pauseMs) => pauseMs > longPauseMs).length > lastPauses / 2) return [];
    return [`after ${pausesMs.length + 1} streams it still comes back in ${last.map(Math.round).join(", ")} ms`];
  });
}

/** `receiver: NAME`, `answering?`: something that takes webhooks at `$NAME.url`, and answers them with a status, by default 200. */
export async function receiver(context: CaseContext, step: Step): Promise<void> {
  const started = await startReceiver(typeof step.answering === "number" ? step.answering : 200);
  context.onEnd(started.stop);
  context.variables.set(String(step.receiver), started);
}

/** `received: NAME`, `calls`: waits until a receiver's calls, `{method, path, body}`, are as expected. */
export async function received(context: CaseContext, step: Step): Promise<void> {
  const { received: name, calls } = context.variables.fill({ ...step, received: `$${step.received}` }) as {
    received: { readonly calls: readonly unknown[] };
    calls: unknown;
  };
  await until(() => differences(calls, name.calls));
}

/** `status: TASK_ID`, `is`: waits, asking the server itself and not by the SDK, until a task has a status. */
export async function status(context: CaseContext, step: Step): Promise<void> {
  const { status: taskId, is } = context.variables.fill(step) as { status: string; is: string };
  await until(async () => {
    const answer = await fetch(`${context.server.address}/millpond.v1.TaskService/GetTask`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ taskId }),
    });
    return differences({ task: { status: is } }, await answer.json());
  });
}

async function until(look: () => string[] | Promise<string[]>): Promise<void> {
  const deadlineMs = performance.now() + statusMs;
  for (;;) {
    const wrong = await look();
    if (wrong.length === 0) return;
    if (performance.now() > deadlineMs) throw new Error(wrong.join("\n"));
    await sleep(20);
  }
}
