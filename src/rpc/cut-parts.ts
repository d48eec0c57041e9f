import { type ContextKey, createContextKey } from "@connectrpc/connect";

/**
 * The key under which the context values of a call have the messages of its stream, counted from 0, that are pieces of one that the server has cut: of
 * the first piece how many items the list of the whole has, of the others 0.
 */
export const cutPartsKey: ContextKey<ReadonlyMap<number, number>> = createContextKey<ReadonlyMap<number, number>>(
  new Map(),
  { description: "messages that are pieces of larger ones" },
);
