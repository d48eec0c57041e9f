/** The longest host that is told apart from others; the rest of a longer one is cut off. */
const lengthMax = 255;

/**
 * hostKey says by which name the host of an http(s) URL has its places, its breaker and its deliveries: in lower case, with a port that is not the
 * scheme's own; empty for what is no such URL. As a parser of URLs does, it takes any number of slashes and backslashes for two, and leaves out line breaks, what surrounds the URL, and
 * credentials (which are empty: others are refused). The database function mp_call_host says the same.
 */
export function hostKey(url: string): string {
  const bare = url.replace(/[\t\n\r]/g, "");
  const authority = /^[\0-\x20]*[A-Za-z]+:[/\\]*([^/?#\\\0-\x20]+)/.exec(bare)?.[1] ?? "";
  const lower = asciiLower(authority.replace(/^.*@/s, ""));
  const ownPort = /^[\0-\x20]*https:/i.test(bare) ? /:443$/ : /:80$/;
  return [...lower.replace(ownPort, "")].slice(0, lengthMax).join("");
}

/** asciiLower is a text with A to Z in lower case, as hosts are compared: other letters are as they are. */
export function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
