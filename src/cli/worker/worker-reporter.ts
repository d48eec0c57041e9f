import type { Task, TaskError } from "@millpond/sdk";
import type { Session } from "../connection/with-server.ts";
import { styled } from "../terminal/screen.ts";
import { printable } from "../terminal/text-width.ts";
import { clockTime, durationText } from "../terminal/time-text.ts";

/** AttemptReport is told how one attempt ended. */
export interface AttemptReport {
  succeeded(): void;
  failed(error: Pick<TaskError, "message" | "code">): void;
  /** It was told to stop: canceled, lost, or because the worker ends. */
  aborted(how: string): void;
}

/** WorkerReporter says what a worker does: a line for each attempt that begins and that ends, for people or as JSON. */
export class WorkerReporter {
  readonly #session: Pick<Session, "screen" | "json">;

  constructor(session: Pick<Session, "screen" | "json">) {
    this.#session = session;
  }

  /** The worker takes tasks. */
  started(workerId: string, kinds: readonly string[]): void {
    this.#say({ event: "ready", workerId, kinds }, `worker ${workerId} takes tasks of kind ${kinds.join(", ")}`);
  }

  /** The worker takes no more tasks. */
  stopping(running: number): void {
    const rest = running === 0 ? "" : `; ${running} to finish, and Ctrl-C kills them`;
    this.#say({ event: "stopping", running }, `takes no more tasks${rest}`);
  }

  /** An attempt begins. */
  begin(task: Task, attempt: number): AttemptReport {
    const startMs = performance.now();
    const { taskId, key, kind } = task;
    const name = `${printable(key || task.name)}  ${taskId}${attempt > 1 ? `  attempt ${attempt}` : ""}`;
    const about = { taskId, key, kind, attempt };
    const { screen } = this.#session;
    this.#say({ event: "started", ...about }, `${styled(screen, "cyan", "started")}  ${name}`);
    const ended = (outcome: string, more: object, text: string) => {
      const durationMs = Math.round(performance.now() - startMs);
      this.#say(
        { event: "ended", ...about, outcome, durationMs, ...more },
        `${text}  ${name}  ${durationText(durationMs)}`,
      );
    };
    return {
      succeeded: () => ended("success", {}, styled(screen, "green", "success")),
      failed: ({ code, message }) => {
        const lastLine = message.split("\n").at(-1) ?? "";
        ended("failure", { code, message }, `${styled(screen, "red", "failure")}  ${code}: ${printable(lastLine)}`);
      },
      aborted: (how) => ended(how, {}, styled(screen, "yellow", how)),
    };
  }

  #say(event: object, text: string): void {
    const { screen, json } = this.#session;
    if (json) screen.line(JSON.stringify({ time: new Date(), ...event }));
    else screen.line(`${clockTime(undefined)}  ${text}`);
  }
}
