import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { MillpondError } from "../domain/errors.ts";
import { type Cursor, formatCursor, parseCursor } from "../events/cursor.ts";
import type { EventFilter } from "../events/event-filter.ts";
import { listEvents } from "../events/list-events.ts";
import { watchEvents } from "../events/watch.ts";
import type { WatchItem } from "../events/watch-item.ts";
import type {
  EventFilter as EventFilterMessage,
  EventService,
  WatchEventsRequest,
  WatchEventsResponse,
} from "../gen/millpond/v1/event_service_pb.ts";
import { WatchEventsResponseSchema } from "../gen/millpond/v1/event_service_pb.ts";
import { pushedStream, type Sink } from "../lib/pushed-stream.ts";
import { encodeBatch } from "../wire/batch.ts";
import { encodeEvent } from "../wire/event.ts";
import { jsonBytesMax, structText } from "../wire/json.ts";
import { encodeTask } from "../wire/task.ts";
import { millisOf } from "../wire/time.ts";
import type { RpcDeps } from "./rpc-deps.ts";

const pageSizeDefault = 50;
const pageSizeMax = 1000;

/** The RPCs of EventService. */
export function createEventService(deps: RpcDeps): ServiceImpl<typeof EventService> {
  const write = createItemWriter(deps);
  return {
    watchEvents: (request, context) => pushedStream((sink) => watch(deps, request, { context, sink: write(sink) })),
    listEvents: async (request, context) => {
      const from = request.cursor === "" ? undefined : parseCursor(request.cursor);
      const size = request.pageSize === 0 ? pageSizeDefault : Math.min(request.pageSize, pageSizeMax);
      const waitMs = request.waitTimeout === undefined ? 0 : millisOf(request.waitTimeout);
      if (from !== undefined) checkAhead(deps, from);
      const page = await listEvents(deps.watch, decodeFilter(deps, request.filter), {
        from,
        size,
        waitMs,
        signal: context.signal,
      });
      return {
        events: page.events.map((event) => encodeEvent(event, deps.ids)),
        nextCursor: formatCursor(page.cursor),
        more: page.more,
      };
    },
  };
}

async function watch(
  deps: RpcDeps,
  request: WatchEventsRequest,
  { context, sink }: { readonly context: HandlerContext; readonly sink: Sink<WatchItem> },
): Promise<void> {
  const filter = decodeFilter(deps, request.filter);
  const cursor = request.cursor === "" ? undefined : parseCursor(request.cursor);
  if (cursor !== undefined) checkAhead(deps, cursor);
  const from = request.snapshot ? "snapshot" : (cursor ?? "now");
  const { signal } = context;
  await watchEvents(deps.watch, { filter, from }, { sink, signal });
  signal.throwIfAborted();
}

/** Makes sinks for items of those for messages. Items that are the same object, or the same array of them, become messages that are, too. */
function createItemWriter(deps: RpcDeps): (sink: Sink<WatchEventsResponse>) => Sink<WatchItem> {
  const messages = new WeakMap<WatchItem, WatchEventsResponse>();
  const lists = new WeakMap<readonly WatchItem[], readonly WatchEventsResponse[]>();
  const messageOf = (item: WatchItem) => getOrMake(messages, item, () => encodeItem(deps, item));
  const listOf = (items: readonly WatchItem[]) => getOrMake(lists, items, () => items.map(messageOf));
  return (sink) => ({ write: (items) => sink.write(listOf(items)), ready: () => sink.ready() });
}

function getOrMake<Key extends object, Value>(made: WeakMap<Key, Value>, key: Key, make: () => Value): Value {
  let value = made.get(key);
  if (value === undefined) {
    value = make();
    made.set(key, value);
  }
  return value;
}

function encodeItem(deps: RpcDeps, item: WatchItem): WatchEventsResponse {
  const cursor = item.cursor === undefined ? "" : formatCursor(item.cursor);
  switch (item.case) {
    case "snapshot": {
      const names = { ids: deps.ids, ...item.names };
      const value = {
        tasks: item.tasks.map((task) => encodeTask(task, names)),
        batches: item.batches.map((batch) => encodeBatch(batch, deps.ids)),
      };
      return create(WatchEventsResponseSchema, { cursor, message: { case: "snapshot", value } });
    }
    case "snapshotDone":
      return create(WatchEventsResponseSchema, { cursor, message: { case: "snapshotDone", value: {} } });
    case "events": {
      const events = item.events.map((event) => encodeEvent(event, deps.ids));
      return create(WatchEventsResponseSchema, {
        cursor,
        message: { case: "events", value: { events, more: item.more } },
      });
    }
    case "checkpoint":
      return create(WatchEventsResponseSchema, { cursor, message: { case: "checkpoint", value: {} } });
  }
}

/** Ids that nothing of this database can have are kept as one that nothing has: they select nothing. */
function decodeFilter(deps: RpcDeps, filter: EventFilterMessage | undefined): EventFilter {
  const ids = (texts: readonly string[] | undefined): Set<bigint> =>
    new Set((texts ?? []).map((text) => deps.ids.decode(text) ?? -1n));
  return {
    ...{
      batchIds: ids(filter?.batchIds),
      taskIds: ids(filter?.taskIds),
      kinds: new Set(filter?.kinds),
      statuses: new Set<number>(filter?.statuses),
    },
    metadata: structText(filter?.metadata, { field: "filter.metadata", bytesMax: jsonBytesMax.metadata }) ?? undefined,
  };
}

/** A cursor beyond the feed comes from another database. */
function checkAhead(deps: RpcDeps, cursor: Cursor): void {
  if (cursor.seq <= deps.watch.feed.settled + 1_000_000n) return;
  throw new MillpondError(
    "INVALID_FIELD",
    `cursor: "${formatCursor(cursor)}" is ahead of this database's feed; begin without a cursor`,
    {
      violations: [{ field: "cursor", description: "is ahead of this database's feed" }],
    },
  );
}
