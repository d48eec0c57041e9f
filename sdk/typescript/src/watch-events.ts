import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MillpondClient } from "./client.ts";
import { isTransient } from "./errors.ts";
import { FailureStreak } from "./failure-streak.ts";
import type { WatchEventsRequestSchema, WatchEventsResponse } from "./gen/millpond/v1/event_service_pb.js";
import { backoffMs } from "./retry-policy.ts";
import { SilenceGuard } from "./silence-guard.ts";

/** WatchOptions says when a watch ends and how it deals with a connection that breaks. */
export interface WatchOptions {
  /** Ends the watch, without an error. */
  readonly signal?: AbortSignal | undefined;
  /** A stream that says nothing for so long is taken for broken. Default 45,000; the server speaks every 15,000. */
  readonly silenceMaxMs?: number | undefined;
  /** Is told of each connection that broke before the watch resumes. */
  readonly onInterrupted?: ((error: unknown) => void) | undefined;
}

const backoff = { initialBackoffMs: 100, maxBackoffMs: 5_000 };

/**
 * watchEvents yields the messages of WatchEvents, in commit order, and goes on after a broken connection from the last
 * cursor: nothing is lost and nothing is repeated. It ends when the signal is aborted or the consumer leaves the loop,
 * and throws what repeating cannot mend, such as CURSOR_EXPIRED. A snapshot that breaks off begins anew: its parts
 * come again, so take them as the newest state of what they name.
 */
export async function* watchEvents(
  client: Pick<MillpondClient, "events">,
  request: MessageInitShape<typeof WatchEventsRequestSchema>,
  options: WatchOptions = {},
): AsyncGenerator<WatchEventsResponse, void, undefined> {
  const { signal, silenceMaxMs = 45_000 } = options;
  let cursor = request.cursor ?? "";
  const streak = new FailureStreak();
  while (!signal?.aborted) {
    const connection = new SilenceGuard(signal, silenceMaxMs);
    try {
      const from = cursor === "" ? request : { ...request, cursor, snapshot: false };
      for await (const message of client.events.watchEvents(from, { signal: connection.signal })) {
        connection.heard();
        streak.welcomed();
        if (isProgress(message)) streak.progressed();
        if (message.cursor !== "") cursor = message.cursor;
        yield message;
        connection.heard();
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!connection.signal.aborted && !isTransient(error)) throw error;
      options.onInterrupted?.(connection.signal.aborted ? connection.signal.reason : error);
    } finally {
      connection.end();
    }
    await sleep(backoffMs(backoff, streak.ended()), undefined, { ...(signal && { signal }) }).catch(() => undefined);
  }
}

/** Whether a message brings what nobody has to send again. Cursors move on by themselves, and a part of a snapshot comes again when it breaks off. */
function isProgress({ message }: WatchEventsResponse): boolean {
  return message.case === "events" || message.case === "snapshotDone";
}
