import type { Interceptor } from "@connectrpc/connect";

/** authorization sends a token with every call, unless the call brings its own `authorization` header. */
export function authorization(token: string): Interceptor {
  return (next) => (request) => {
    if (!request.header.has("authorization")) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
