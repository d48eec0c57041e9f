import type { Readable } from "node:stream";

/** linesOf reads a stream of UTF-8 by lines that end with a line feed, and with nothing else: JSON may hold U+2028 as it is, which `node:readline` takes for an end of line. */
export async function* linesOf(stream: Readable): AsyncGenerator<string, void, undefined> {
  stream.setEncoding("utf8");
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
