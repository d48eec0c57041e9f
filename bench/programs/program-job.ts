import { createInterface } from "node:readline";

/** readJob reads what this helper process is to do, and ends the process once the one that started it has gone. */
export async function readJob<Job>(): Promise<Job> {
  const lines = createInterface({ input: process.stdin });
  const line = Promise.withResolvers<string>();
  lines.once("line", line.resolve).once("close", () => process.exit(1));
  return JSON.parse(await line.promise) as Job;
}

/** sayLine prints a line for the process that started this one. */
export function sayLine(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** monotonicMs is a time that all processes of the machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
