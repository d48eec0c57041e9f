import { setTimeout as sleep } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { MillpondClient } from "./client.ts";
import { emptyAnswerPauseMs } from "./empty-answer-pause.ts";
import { isUnanswered } from "./errors.ts";
import type { LogEntry } from "./gen/millpond/v1/log_pb.js";
import { backoffMs } from "./retry-policy.ts";

/** LogOptions says which log is read, and for how long. */
export interface LogOptions {
  readonly taskId: string;
  /** Default: the current attempt, or the last one. */
  readonly attempt?: number | undefined;
  /** Whether to wait for more until the attempt is over. Default false: what there is. */
  readonly follow?: boolean | undefined;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal | undefined;
  /** Is told of each call that failed, while following, before it is made again. */
  readonly onInterrupted?: ((error: unknown) => void) | undefined;
}

const pageSize = 1_000;
const waitMs = 30_000;
const backoff = { initialBackoffMs: 100, maxBackoffMs: 5_000 };

/**
 * listLogs yields the lines of an attempt's log, in order. Where lines were dropped at the server's bound, the last one says how many. While it follows, it
 * goes on after a broken connection: nothing is lost and nothing is repeated. It throws what repeating cannot mend, such as TASK_NOT_FOUND.
 */
export async function* listLogs(
  client: Pick<MillpondClient, "workers">,
  { taskId, attempt = 0, follow = false, signal, onInterrupted }: LogOptions,
): AsyncGenerator<LogEntry, void, undefined> {
  const callOptions = signal === undefined ? {} : { signal };
  const pause = (ms: number) => sleep(ms, undefined, callOptions).catch(() => undefined);
  let cursor = "";
  let waits = false;
  let failures = 0;
  while (!signal?.aborted) {
    try {
      const sentAtMs = performance.now();
      const waitTimeout = durationFromMs(waits ? waitMs : 0);
      const page = await client.workers.listLogs({ taskId, attempt, cursor, pageSize, waitTimeout }, callOptions);
      failures = 0;
      yield* page.entries;
      cursor = page.nextCursor;
      const isLast = page.entries.length === 0 && (!follow || page.attemptEnded);
      if (isLast) return;
      if (waits && page.entries.length === 0) await pause(emptyAnswerPauseMs(performance.now() - sentAtMs, waitMs));
      waits = follow && !page.attemptEnded;
    } catch (error) {
      if (signal?.aborted) return;
      if (!follow || !isUnanswered(error)) throw error;
      onInterrupted?.(error);
      await pause(backoffMs(backoff, ++failures));
    }
  }
}
