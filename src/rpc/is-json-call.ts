import { type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";

/** What of a call's context tells how it is answered. */
export type CalledBy = Pick<HandlerContext, "requestHeader" | "requestMethod" | "url" | "values">;

/** Whether a call is answered in JSON, where that is known without its headers, which cost more to look at than most of what a call does; undefined: it is not. */
export const isJsonKey: ContextKey<boolean | undefined> = createContextKey<boolean | undefined>(undefined, {
  description: "whether this call is answered in JSON",
});

/**
 * isJsonCall tells whether a call is answered in JSON: then its answer must be a message, not bytes that are written already. Of the call, no more is looked at
 * than it takes to know: on the fast path, headers are made when they are read.
 */
export function isJsonCall(call: CalledBy): boolean {
  const known = call.values.get(isJsonKey);
  if (known !== undefined) return known;
  // A call by GET has no body, and says in its address how it wants the answer.
  if (call.requestMethod === "GET") return new URL(call.url).searchParams.get("encoding") !== "proto";
  return call.requestHeader.get("content-type")?.includes("json") === true;
}
