import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { MillpondError } from "../domain/errors.ts";
import { type Cursor, formatCursor, parseCursor } from "../events/cursor.ts";
import type { EventFilter } from "../events/event-filter.ts";
import { currentCursor, follow, listEvents, snapshotAndFollow, type WatchItem } from "../events/watch.ts";
import type {
  EventFilter as EventFilterMessage,
  EventService,
  WatchEventsRequest,
  WatchEventsResponse,
} from "../gen/millpond/v1/event_service_pb.ts";
import { WatchEventsResponseSchema } from "../gen/millpond/v1/event_service_pb.ts";
import { encodeBatch } from "../wire/batch.ts";
import { encodeEvent } from "../wire/event.ts";
import { jsonBytesMax, structText } from "../wire/json.ts";
import { encodeTask } from "../wire/task.ts";
import { millisOf } from "../wire/time.ts";
import { namesOf, type RpcDeps } from "./rpc-deps.ts";

const pageSizeDefault = 50;
const pageSizeMax = 1000;

/** The RPCs of EventService. */
export function createEventService(deps: RpcDeps): ServiceImpl<typeof EventService> {
  return {
    watchEvents: (request, context) => watch(deps, request, context),
    listEvents: async (request, context) => {
      const from = request.cursor === "" ? { seq: 0n, index: 0, seen: [] } : parseCursor(request.cursor);
      const size = request.pageSize === 0 ? pageSizeDefault : Math.min(request.pageSize, pageSizeMax);
      const waitMs = request.waitTimeout === undefined ? 0 : millisOf(request.waitTimeout);
      checkAhead(deps, from);
      const page = await listEvents(deps.watch, decodeFilter(deps, request.filter), {
        from,
        size,
        waitMs,
        signal: context.signal,
      });
      return {
        events: page.events.map((event) => encodeEvent(event, deps.ids)),
        nextCursor: formatCursor(page.cursor),
      };
    },
  };
}

async function* watch(
  deps: RpcDeps,
  request: WatchEventsRequest,
  context: HandlerContext,
): AsyncGenerator<WatchEventsResponse> {
  const filter = decodeFilter(deps, request.filter);
  const from = request.cursor === "" ? undefined : parseCursor(request.cursor);
  if (from !== undefined) checkAhead(deps, from);
  let items = snapshotAndFollow(deps.watch, filter, context.signal);
  if (!request.snapshot) {
    const start = from ?? (await currentCursor(deps.watch));
    // The first message tells the place at once: from then on nothing can be missed.
    yield checkpoint(start);
    items = follow(deps.watch, filter, start, context.signal);
  }
  for await (const item of items) yield await encodeItem(deps, item);
  context.signal.throwIfAborted();
}

function checkpoint(cursor: Cursor): WatchEventsResponse {
  return create(WatchEventsResponseSchema, {
    cursor: formatCursor(cursor),
    message: { case: "checkpoint", value: {} },
  });
}

async function encodeItem(deps: RpcDeps, item: WatchItem): Promise<WatchEventsResponse> {
  const cursor = item.cursor === undefined ? "" : formatCursor(item.cursor);
  switch (item.case) {
    case "snapshot": {
      const names = await namesOf(deps, item.tasks);
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
