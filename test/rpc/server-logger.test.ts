import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

const logger = JSON.stringify(new URL("../../src/server/server-logger.ts", import.meta.url).href);

/** What a process writes that logs many lines and one long one, and then does something. */
async function linesOf(last: string): Promise<{ msg: string; text?: string }[]> {
  const program = `
    import { createServerLogger } from ${logger};
    const log = createServerLogger("info");
    for (let index = 0; index < 2_000; index++) log.info({ text: "é✓".repeat(20) }, "line");
    log.info({ text: "✓".repeat(100_000) }, "long");
    setImmediate(() => { log.info("late"); ${last} });
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(child, "close");
  const lines = Buffer.concat(chunks).toString().trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as { msg: string });
}

test.each([
  ["ends", ""],
  ["exits", "process.exit(3)"],
  ["throws", 'throw new Error("nobody catches it")'],
  ["is killed after a fatal line", 'log.fatal("fatal"); process.kill(process.pid, "SIGKILL")'],
])("every line is written, in order, when a process %s", async (_how, last) => {
  const lines = await linesOf(last);
  const fatal = last.includes("fatal") ? ["fatal"] : [];
  expect(lines.map(({ msg }) => msg)).toEqual([
    ...Array.from({ length: 2_000 }, () => "line"),
    "long",
    "late",
    ...fatal,
  ]);
  expect(lines[0]?.text).toBe("é✓".repeat(20));
  expect(lines[2_000]?.text).toBe("✓".repeat(100_000));
});
