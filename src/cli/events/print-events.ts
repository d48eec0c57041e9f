import { toJson } from "@bufbuild/protobuf";
import { type Event, EventSchema, TaskStatus, watchEvents } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import type { taskStatusNames } from "../input/task-options.ts";
import { eventLine } from "./event-line.ts";

interface Options extends ConnectionOptions {
  readonly follow?: boolean;
  readonly batch?: readonly string[];
  readonly task?: readonly string[];
  readonly kind?: readonly string[];
  readonly status?: readonly (typeof taskStatusNames)[number][];
  readonly cursor?: string;
  readonly limit?: number;
}

const pageSize = 1_000;

/** printEvents is what `millpond events` does. */
export async function printEvents(options: Options): Promise<void> {
  await withServer(options, async (session) => {
    const printer = new EventPrinter(session, options.limit ?? Number.POSITIVE_INFINITY);
    await (options.follow ? follow(options, session, printer) : list(options, session, printer));
  });
}

/** Prints what is kept. */
async function list(options: Options, { client, signal, json }: Session, printer: EventPrinter): Promise<void> {
  const filter = filterOf(options);
  let cursor = options.cursor ?? "";
  for (;;) {
    const page = await client.events.listEvents(
      { filter, cursor, pageSize: Math.min(pageSize, printer.left) },
      { signal },
    );
    cursor = page.nextCursor;
    printer.print(page.events, cursor);
    if (page.events.length === 0 || printer.left === 0) break;
  }
  if (!json) process.stderr.write(`millpond: go on from here with --cursor ${cursor}\n`);
}

/** Prints what comes. */
async function follow(options: Options, { client, signal, onTrouble }: Session, printer: EventPrinter): Promise<void> {
  const filter = filterOf(options);
  // A watch would go on trying where nobody answers: whoever names the wrong server should be told.
  await client.events.listEvents({ filter, cursor: options.cursor ?? "", pageSize: 1 }, { signal });
  const request = { filter, cursor: options.cursor ?? "" };
  for await (const { cursor, message } of watchEvents(client, request, { signal, onInterrupted: onTrouble })) {
    if (message.case === "events") printer.print(message.value.events, cursor);
    if (printer.left === 0) return;
  }
}

function filterOf({ batch = [], task = [], kind = [], status = [] }: Options) {
  return {
    ...{ batchIds: [...batch], taskIds: [...task], kinds: [...kind] },
    statuses: status.map((name) => TaskStatus[name]),
  };
}

/** Prints events, as many as were asked for. */
class EventPrinter {
  readonly #session: Session;
  left: number;

  constructor(session: Session, limit: number) {
    this.#session = session;
    this.left = limit;
  }

  /** `cursor` is the place behind the last of them. */
  print(events: readonly Event[], cursor: string): void {
    const { screen, json } = this.#session;
    const shown = events.slice(0, this.left);
    this.left -= shown.length;
    for (const [index, event] of shown.entries()) {
      if (!json) screen.line(eventLine(screen, event));
      else {
        const place = index === events.length - 1 && cursor !== "" ? { cursor } : {};
        screen.line(JSON.stringify({ ...(toJson(EventSchema, event) as object), ...place }));
      }
    }
  }
}
