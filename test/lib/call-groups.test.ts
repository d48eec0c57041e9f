import { expect, test } from "vitest";
import { CallGroups } from "../../src/lib/call-groups.ts";

/** Call groups whose calls end when they are told to. */
function lane(
  options: {
    groupMax?: number;
    inFlightMax?: number;
    waitingMax?: number;
    patienceMs?: number;
    turns?: number;
    shareFrom?: number;
  } = {},
) {
  const writes: { items: readonly number[]; end: (failure?: Error) => void }[] = [];
  const group = new CallGroups<number, string>({
    ...{ inFlightMax: options.inFlightMax ?? 1, waitingMax: options.waitingMax ?? 100 },
    ...{
      patienceMs: options.patienceMs ?? 60_000,
      slowMax: 1,
      turns: options.turns ?? 1,
      shareFrom: options.shareFrom ?? Number.POSITIVE_INFINITY,
    },
    overflow: () => new Error("full"),
    isOneToBlame: (error) => (error as Error).message !== "away",
    begin: () => {
      let count = 0;
      return { add: () => ++count <= (options.groupMax ?? 100) };
    },
    run: (items) =>
      new Promise((resolve, reject) => {
        const end = (failure?: Error) =>
          failure ? reject(failure) : resolve(items.map((item) => `${item} of ${items.length}`));
        writes.push({ items, end });
      }),
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { group, writes, settled };
}

test("what comes while a write is in flight is written together, each answered on its own", async () => {
  const { group, writes, settled } = lane();
  const first = group.submit(1);
  await settled();
  expect(writes.map(({ items }) => items)).toEqual([[1]]);
  const answers = [first, group.submit(2), group.submit(3)];
  await settled();
  expect(writes).toHaveLength(1);
  writes[0]?.end();
  await settled();
  expect(writes.map(({ items }) => items)).toEqual([[1], [2, 3]]);
  writes[1]?.end();
  expect(await Promise.all(answers)).toEqual(["1 of 1", "2 of 2", "3 of 2"]);
});

test("what comes in the same turn is one group", async () => {
  const { group, writes, settled } = lane();
  const answers = [1, 2].map((item) => group.submit(item));
  expect(writes).toHaveLength(0);
  await settled();
  writes[0]?.end();
  expect(await Promise.all(answers)).toEqual(["1 of 2", "2 of 2"]);
});

test("a group waits for what goes with it for as many turns as it is told", async () => {
  const { group, writes, settled } = lane({ turns: 2 });
  const first = group.submit(1);
  await settled();
  expect(writes).toHaveLength(0);
  const answers = [first, group.submit(2)];
  await settled();
  writes[0]?.end();
  expect(await Promise.all(answers)).toEqual(["1 of 2", "2 of 2"]);
});

test("where many wait, the calls that are free share them; few are one group", async () => {
  const { group, writes, settled } = lane({ inFlightMax: 2, shareFrom: 4 });
  const submit = (items: readonly number[]) => items.map((item) => group.submit(item));
  const answers = submit([1, 2, 3, 4, 5]);
  await settled();
  expect(writes.map(({ items }) => items)).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  // One call is free: it takes all of them.
  answers.push(...submit([6, 7, 8, 9]));
  writes[0]?.end();
  await settled();
  expect(writes[2]?.items).toEqual([6, 7, 8, 9]);
  writes[1]?.end();
  writes[2]?.end();
  await settled();
  answers.push(...submit([10, 11, 12]));
  await settled();
  expect(writes.slice(3).map(({ items }) => items)).toEqual([[10, 11, 12]]);
  writes[3]?.end();
  expect(await Promise.all(answers)).toHaveLength(12);
});

test("groups and writes in flight are bounded, and so is what waits", async () => {
  const { group, writes, settled } = lane({ groupMax: 2, inFlightMax: 2, waitingMax: 3 });
  const answers = [1, 2, 3, 4, 5].map((item) => group.submit(item));
  await expect(answers[3]).rejects.toThrow("full");
  await expect(answers[4]).rejects.toThrow("full");
  await settled();
  expect(writes.map(({ items }) => items)).toEqual([[1, 2], [3]]);
  const later = [6, 7, 8].map((item) => group.submit(item));
  await settled();
  expect(writes).toHaveLength(2);
  for (const { end } of writes.splice(0)) end();
  await settled();
  expect(writes.map(({ items }) => items)).toEqual([[6, 7], [8]]);
  for (const { end } of writes.splice(0)) end();
  expect(await Promise.all([...answers.slice(0, 3), ...later])).toEqual([
    "1 of 2",
    "2 of 2",
    "3 of 1",
    "6 of 2",
    "7 of 2",
    "8 of 1",
  ]);
});

test("others go on without a call that takes long, but not without a second one", async () => {
  const { group, writes, settled } = lane({ patienceMs: 1 });
  const first = group.submit(1);
  await settled();
  const answers = [first, group.submit(2)];
  await expect.poll(() => writes.map(({ items }) => items)).toEqual([[1], [2]]);
  const third = group.submit(3);
  writes[1]?.end();
  await expect.poll(() => writes.map(({ items }) => items)).toEqual([[1], [2], [3]]);
  writes[2]?.end();
  writes[0]?.end();
  expect(await Promise.all([...answers, third])).toEqual(["1 of 1", "2 of 1", "3 of 1"]);
});

test("of a group that fails halves are written apart, and only the one to blame fails", async () => {
  const { group, writes, settled } = lane();
  const submit = (item: number) => group.submit(item).catch((error: Error) => error.message);
  const first = submit(1);
  await settled();
  const answers = [first, ...[2, 3, 4, 5].map(submit)];
  writes[0]?.end();
  const end = async (n: number) => {
    await settled();
    writes[n]?.end(writes[n]?.items.includes(2) ? new Error("bad item") : undefined);
  };
  for (let n = 1; n <= 5; n += 1) await end(n);
  expect(await Promise.all(answers)).toEqual(["1 of 1", "bad item", "3 of 1", "4 of 2", "5 of 2"]);
  expect(writes.map(({ items }) => items)).toEqual([[1], [2, 3, 4, 5], [2, 3], [2], [3], [4, 5]]);
});

test("nothing is written twice where it is not known whether it has been written", async () => {
  const { group, writes, settled } = lane();
  const submit = (item: number) => group.submit(item).catch((error: Error) => error.message);
  const first = submit(1);
  await settled();
  const answers = [first, ...[2, 3].map(submit)];
  writes[0]?.end();
  await settled();
  writes[1]?.end(new Error("away"));
  expect(await Promise.all(answers)).toEqual(["1 of 1", "away", "away"]);
  expect(writes).toHaveLength(2);
});
