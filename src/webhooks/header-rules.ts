/** Headers that a user may not set, in lower case: framing and hop-by-hop fields, and those that Millpond sets itself. */
export const reservedHeaders: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "http2-settings",
  "expect",
  "upgrade",
  "te",
  "trailer",
  // An answer is read as it comes: a compressed one could not be bounded by what it unpacks to.
  "accept-encoding",
  "idempotency-key",
  "x-task-id",
  "x-task-trigger",
  "x-task-attempt",
  "traceparent",
  "tracestate",
  "webhook-id",
  "webhook-timestamp",
  "webhook-signature",
]);

/** The most bytes that the names and values of one webhook's headers may have together: what servers take by default. */
export const headerBytesMax = 8192;

/**
 * checkHeaders says what is wrong with the headers that a user gave for a webhook, or undefined if they can be sent:
 * names are tokens (RFC 9110, 5.6.2), unique without regard to case and not reserved; values are Latin-1 without control
 * characters.
 */
export function checkHeaders(headers: Readonly<Record<string, string>>): string | undefined {
  const seen = new Set<string>();
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return `${JSON.stringify(name)} is not a valid header name`;
    if (reservedHeaders.has(lower)) return `header "${name}" may not be set: Millpond or the connection sets it`;
    if (seen.has(lower)) return `header "${name}" is given twice`;
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      return `the value of header "${name}" holds a line break, a control character or a character beyond Latin-1`;
    }
    seen.add(lower);
    bytes += name.length + value.length;
  }
  return bytes > headerBytesMax ? `the headers have ${bytes} bytes, more than ${headerBytesMax}` : undefined;
}
