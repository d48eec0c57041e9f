import { expect, test } from "vitest";
import { createEmptyDatabase } from "../support/database.ts";
import { runMillpond } from "./support/millpond-process.ts";

test("millpond migrate brings a database up and back, and says what it did, to people and as JSON", async () => {
  await using database = await createEmptyDatabase();
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runMillpond(["migrate", ...args], { DATABASE_URL: database.url });
    expect([code, stderr]).toEqual([0, ""]);
    return stdout;
  };
  const json = async (...args: string[]) => JSON.parse(await run(...args, "--json"));

  const { migrations } = await json("status");
  const names = migrations.map(({ name }: { name: string }) => name);
  expect(migrations).toEqual(names.map((name: string) => ({ name, known: true })));
  expect(await run("status")).toBe(names.map((name: string) => `${"pending".padEnd(32)}  ${name}\n`).join(""));

  expect(await json("up")).toEqual({ applied: names });
  expect(await json("up")).toEqual({ applied: [] });
  expect(await run("up")).toBe("nothing is pending\n");
  expect((await json("status")).migrations[0]).toEqual({
    ...{ name: names[0], known: true, appliedAt: expect.stringMatching(/^\d{4}-.*Z$/) },
  });

  expect(await json("down", "--steps", "2")).toEqual({ reverted: names.slice(-2).toReversed() });
  expect(await run("down")).toBe(`taken back   ${names.at(-3)}\n`);
  expect(await run("up")).toBe(
    names
      .slice(-3)
      .map((name: string) => `applied   ${name}\n`)
      .join(""),
  );
});
