import type { Event, MillpondClient } from "@millpond/sdk";
import type { Random } from "./random.ts";

/** The name of a change that a watcher has seen, the same wherever it is read. */
export function changeName({ eventId, taskId, payload }: Event): string {
  const what = payload.case === "taskStatusChanged" ? `${payload.value.from}>${payload.value.to}` : payload.case;
  return `${eventId} ${taskId} ${what}`;
}

/** What a watcher has seen: where it began, and every change since. */
export interface Seen {
  readonly changes: string[];
  /** The statuses of the tasks of its snapshot, if it began with one. */
  readonly snapshot: Map<string, number>;
  /** How often its connection was ended and resumed. */
  readonly resumes: number;
}

/** How a watcher begins, and when it may end. */
export interface WatcherOptions {
  readonly clients: readonly MillpondClient[];
  readonly random: Random;
  readonly start: { readonly snapshot: true } | { readonly cursor: string };
  /** Tells whether the last change has been seen. */
  readonly isLast: (event: Event) => boolean;
  /** Told once the first message has come: from then on nothing can be missed. */
  readonly onStarted?: () => void;
}

/** Watches all events, breaking off after a random number of messages with changes and resuming from the last cursor on any server, until the last change. */
export async function watchWithBreaks(options: WatcherOptions): Promise<Seen> {
  const { clients, random, start, isLast } = options;
  const seen = { changes: [] as string[], snapshot: new Map<string, number>(), resumes: -1 };
  let cursor = "cursor" in start ? start.cursor : "";
  let ended = false;
  while (!ended) {
    seen.resumes += 1;
    const abort = new AbortController();
    const client = clients[random.below(clients.length)] as MillpondClient;
    const breakAfter = 1 + random.below(40);
    let messages = 0;
    const request = cursor === "" && "snapshot" in start ? { snapshot: true } : { cursor };
    const stream = client.events.watchEvents(request, { signal: abort.signal });
    try {
      for await (const { message, cursor: place } of stream) {
        if (message.case === "snapshot") {
          for (const task of message.value.tasks) seen.snapshot.set(task.taskId, task.status);
        }
        if (message.case === "events") {
          seen.changes.push(...message.value.events.map(changeName));
          ended = message.value.events.some(isLast);
          messages += 1;
        }
        if (place !== "") {
          cursor = place;
          options.onStarted?.();
        }
        if (ended || (cursor !== "" && messages >= breakAfter)) break;
      }
    } finally {
      abort.abort();
    }
  }
  return seen;
}
