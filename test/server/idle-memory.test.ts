import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { giveBackIdleMemory } from "../../src/server/idle-memory.ts";

const module = new URL("../../src/server/idle-memory.ts", import.meta.url).href;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

/** Looks once for each utilization, and tells how often memory has been given back after each look. */
function looks(utilizations: readonly number[], heapUsed = 30e6): number[] {
  let now = 0;
  let collections = 0;
  const end = giveBackIdleMemory({
    ...{ everyMs: 1, utilization: () => now, heapUsed: () => heapUsed, collect: () => void collections++ },
  });
  const seen = utilizations.map((utilization) => {
    now = utilization;
    vi.advanceTimersByTime(1);
    return collections;
  });
  end();
  now = 0;
  vi.advanceTimersByTime(100);
  expect(collections).toBe(seen.at(-1));
  return seen;
}

it("gives back once after work, and again after more of it", () => {
  expect(looks([0.3, 0.01, 0.01, 0.01, 0.01, 0.9, 0.01, 0.01, 0.01])).toEqual([0, 0, 1, 1, 1, 1, 1, 2, 2]);
});

it("waits until there has been nothing to do for two looks", () => {
  expect(looks([0.01, 0.3, 0.01, 0.3, 0.01, 0.01])).toEqual([0, 0, 0, 0, 0, 1]);
});

it("leaves a large heap alone, whose collection would be felt", () => {
  expect(looks([0.01, 0.01, 0.01], 300e6)).toEqual([0, 0, 0]);
});

it("gives back what the load before needed", async () => {
  const program = `
    import { giveBackIdleMemory } from ${JSON.stringify(module)};
    const heap = () => process.memoryUsage().heapTotal;
    let objects = [];
    for (let n = 0; n < 1e6; n++) objects.push({ n });
    objects = undefined;
    const before = heap();
    giveBackIdleMemory({ everyMs: 10, utilization: () => 0 });
    const timer = setInterval(() => {
      if (heap() > before / 2) return;
      clearInterval(timer);
      console.log("given back");
    }, 10);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
    timeout: 60_000,
  });
  expect(stdout).toBe("given back\n");
});
