/** The longest host that is told apart from others; the rest of a longer one is cut off. */
const lengthMax = 255;

/**
 * hostKey says by which name the host of an http(s) URL has its places, its breaker and its deliveries: in lower case, with a port that is not the
 * scheme's own; empty for what is no such URL. The database function mp_call_host says the same.
 */
export function hostKey(url: string): string {
  const authority = /^[A-Za-z]+:\/\/([^/?#\\]+)/.exec(url)?.[1] ?? "";
  const lower = authority.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  const ownPort = /^https:/i.test(url) ? /:443$/ : /:80$/;
  return [...lower.replace(ownPort, "")].slice(0, lengthMax).join("");
}
