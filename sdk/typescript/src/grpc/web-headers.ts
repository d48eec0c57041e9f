import type { IncomingHttpHeaders } from "node:http2";

/** webHeaders makes Headers of those of an HTTP/2 stream, without its pseudo-headers. */
export function webHeaders(headers: IncomingHttpHeaders): Headers {
  const all = Object.entries(headers).flatMap(([name, value]) => {
    if (name.startsWith(":") || value === undefined) return [];
    return [value].flat().map((each): [string, string] => [name, String(each)]);
  });
  return new Headers(all);
}
