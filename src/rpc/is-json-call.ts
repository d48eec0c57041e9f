import type { HandlerContext } from "@connectrpc/connect";

/** What of a call's context tells how it is answered. */
export type CalledBy = Pick<HandlerContext, "requestHeader" | "requestMethod" | "url">;

/** isJsonCall tells whether a call is answered in JSON: then its answer must be a message, not bytes that are written already. */
export function isJsonCall({ requestMethod, requestHeader, url }: CalledBy): boolean {
  // A call by GET has no body, and says in its address how it wants the answer.
  if (requestMethod === "GET") return new URL(url).searchParams.get("encoding") !== "proto";
  return requestHeader.get("content-type")?.includes("json") === true;
}
