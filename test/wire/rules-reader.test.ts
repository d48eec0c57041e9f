import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { createCreateTasksReader } from "../../src/wire/create-tasks-reader.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("globalThis.gc") as () => void;

/** A request of about so many bytes whose only task has nothing but empty rules. */
function withEmptyRules(size: number): Buffer {
  const rules = Buffer.alloc(Math.floor(size / 3) * 3, Buffer.from([0x82, 0x01, 0x00]));
  const length: number[] = [];
  for (let left = rules.length; left > 0; left >>>= 7) length.push((left & 127) | (left > 127 ? 128 : 0));
  return Buffer.concat([Buffer.from([(4 << 3) | 2, ...length]), rules]);
}

it("keeps nothing of a request with a million rules, which is refused after it has been read", () => {
  const read = createCreateTasksReader();
  const used = () => {
    collect();
    return process.memoryUsage().heapUsed / 1024 / 1024;
  };
  const before = used();
  read(withEmptyRules(4 * 1024 * 1024));
  expect(used() - before).toBeLessThan(8);
});
