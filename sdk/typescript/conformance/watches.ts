import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { MillpondClient } from "../src/client.ts";
import {
  WatchEventsRequestSchema,
  type WatchEventsResponse,
  WatchEventsResponseSchema,
} from "../src/gen/millpond/v1/event_service_pb.js";
import { watchEvents } from "../src/watch-events.ts";

interface WatchFields {
  readonly watch: string;
  readonly filter?: JsonValue;
  readonly cursor?: string;
  readonly snapshot?: boolean;
  readonly silenceMaxMs?: number;
}

type Next = Promise<IteratorResult<WatchEventsResponse, void>>;

interface Watch {
  readonly iterator: AsyncGenerator<WatchEventsResponse, void, undefined>;
  readonly stop: AbortController;
  /** Asked for and not yet answered. */
  pending: Next | undefined;
}

/** Watches keeps the watches that are open. */
export class Watches {
  readonly #open = new Map<string, Watch>();

  open(client: MillpondClient, { watch, silenceMaxMs, ...request }: WatchFields): object {
    const { filter, cursor, snapshot } = request;
    const message = fromJson(WatchEventsRequestSchema, {
      ...(filter !== undefined && { filter }),
      ...(cursor !== undefined && { cursor }),
      ...(snapshot !== undefined && { snapshot }),
    });
    const stop = new AbortController();
    const iterator = watchEvents(client, message, { signal: stop.signal, silenceMaxMs });
    // The call begins now, not with the first look.
    const pending = iterator.next();
    pending.catch(() => undefined);
    this.#open.set(watch, { iterator, stop, pending });
    return {};
  }

  async next(name: string, timeoutMs: number): Promise<object> {
    const watch = this.#open.get(name);
    if (!watch) throw new Error(`there is no watch "${name}"`);
    watch.pending ??= watch.iterator.next();
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), timeoutMs);
    const next = await Promise.race([watch.pending, late.promise]).finally(() => clearTimeout(timer));
    if (next === undefined) return { timedOut: true };
    watch.pending = undefined;
    return next.done ? { end: true } : { message: toJson(WatchEventsResponseSchema, next.value) };
  }

  async close(name: string): Promise<object> {
    const watch = this.#open.get(name);
    this.#open.delete(name);
    watch?.stop.abort();
    await watch?.iterator.return();
    return {};
  }

  async closeAll(): Promise<void> {
    for (const name of this.#open.keys()) await this.close(name);
  }
}
