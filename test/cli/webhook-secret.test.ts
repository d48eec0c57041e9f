import { expect, test } from "vitest";
import { createEmptyDatabase, createTestDatabase } from "../support/database.ts";
import { runMillpond } from "./support/millpond-process.ts";

const secret = /^whsec_[A-Za-z0-9+/]{43}=$/;

test("millpond webhook-secret shows, rotates and retires the secret of a namespace", async () => {
  await using database = await createTestDatabase();
  const run = (...args: string[]) => runMillpond(["webhook-secret", ...args], { DATABASE_URL: database.url });
  const json = async (command: string): Promise<Record<string, string>> => {
    const { code, stdout, stderr } = await run(command, "--json");
    expect([code, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout);
  };
  const first = await json("show");
  expect(first).toEqual({ namespace: "default", current: expect.stringMatching(secret) });
  expect((await run("retire")).stderr).toContain("nothing to retire");

  const rotated = await json("rotate");
  expect(rotated).toEqual({ namespace: "default", current: expect.stringMatching(secret), previous: first.current });
  expect(rotated.current).not.toBe(first.current);
  const again = await run("rotate");
  expect([again.code, again.stdout]).toEqual([1, ""]);
  expect(again.stderr).toContain("millpond webhook-secret retire");
  expect(await json("show")).toEqual(rotated);
  expect((await run("show")).stdout).toBe(`current   ${rotated.current}\nprevious  ${rotated.previous}\n`);

  expect(await json("retire")).toEqual({ namespace: "default", current: rotated.current });
  const unknown = await run("show", "--namespace", "nobody");
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('no namespace "nobody"')]);
});

test("it says what to do with a database that has not been brought up to this version", async () => {
  await using database = await createEmptyDatabase();
  const { code, stderr } = await runMillpond(["webhook-secret", "show"], { DATABASE_URL: database.url });
  expect([code, stderr]).toEqual([1, expect.stringContaining("millpond migrate up")]);
});
