import type { HandlerContext } from "@connectrpc/connect";

/** isJsonCall tells whether a call is answered in JSON: then its answer must be a message, not bytes that are written already. */
export function isJsonCall(context: Pick<HandlerContext, "requestHeader">): boolean {
  return context.requestHeader.get("content-type")?.includes("json") === true;
}
