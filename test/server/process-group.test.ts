import cluster from "node:cluster";
import path from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { ProcessGroup } from "../../src/server/process-group.ts";

/** A group whose processes behave as `support/member.ts` says. */
function groupOf(member: "ends" | "fails" | "hangs"): { group: ProcessGroup; log: { msg: string }[] } {
  cluster.setupPrimary({ exec: path.join(import.meta.dirname, "support/member.ts"), args: [], execArgv: [] });
  const log: { msg: string }[] = [];
  const logger = pino({ level: "info" }, { write: (line) => void log.push(JSON.parse(line)) });
  const group = new ProcessGroup({ count: 2, env: { MEMBER: member }, port: 1, stopTimeoutMs: 100, logger });
  onTestFinished(() => group.stop());
  return { group, log };
}

test("processes that end before they serve, again and again, are given up", async () => {
  const { group, log } = groupOf("ends");
  await expect(group.start()).rejects.toThrow(
    "5 processes in a row ended before they served, the last one with code 3",
  );
  expect((await group.failed).message).toMatch(/^5 processes in a row/);
  expect(log.filter(({ msg }) => msg === "a process ended with code 3; starting another one")).toHaveLength(4);
  await group.stop();
  expect(Object.values(cluster.workers ?? {})).toEqual([]);
});

test("a reason that a process can name ends the start at once", async () => {
  const { group, log } = groupOf("fails");
  await expect(group.start()).rejects.toThrow("the port is taken");
  await group.stop();
  expect(log.filter(({ msg }) => msg.includes("cannot start"))).toEqual([]);
});

test("a process that does not stop is killed when its time is over", async () => {
  const { group, log } = groupOf("hangs");
  expect(await group.start()).toBe("http://127.0.0.1:1");
  await group.stop();
  expect(log.map(({ msg }) => msg)).toEqual(Array(2).fill("a process did not stop in time and is killed"));
  expect(Object.values(cluster.workers ?? {})).toEqual([]);
});
