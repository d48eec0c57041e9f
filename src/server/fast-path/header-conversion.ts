import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

/** Makes Headers of those of a request; pseudo-headers of HTTP/2 are left out. */
export function toWebHeaders(given: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || name.startsWith(":")) continue;
    if (typeof value === "string") headers.append(name, value);
    else for (const each of value) headers.append(name, each);
  }
  return headers;
}

/** Adds Headers to those of an answer, under a prefix if one is given; a name that is there already gets several values. */
export function addToNodeHeaders(target: OutgoingHttpHeaders, headers: Headers, prefix = ""): OutgoingHttpHeaders {
  headers.forEach((value, name) => {
    const key = prefix + name;
    const existing = target[key];
    if (existing === undefined) target[key] = value;
    else if (Array.isArray(existing)) existing.push(value);
    else target[key] = [String(existing), value];
  });
  return target;
}
