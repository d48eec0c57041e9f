import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { allCases } from "../../bench/cases/all-cases.ts";

const run = promisify(execFile);
const mainFile = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

test("--list names every case and measures nothing", async () => {
  const { stdout } = await run(process.execPath, [mainFile, "--list"]);
  const names = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ")[0]);
  expect(names).toEqual(allCases.map(({ name }) => name));
});

test("a case that does not exist is refused, with the way to those that do", async () => {
  await expect(run(process.execPath, [mainFile, "--only", "nothing"])).rejects.toMatchObject({
    stderr: expect.stringContaining("--list"),
  });
});

test("a program of ArcRun that is not there is refused before anything is measured", async () => {
  const env = { ...process.env, BENCH_ARCRUN: "/nowhere/server" };
  await expect(run(process.execPath, [mainFile, "--only", "read"], { env })).rejects.toMatchObject({
    stderr: expect.stringContaining("BENCH_ARCRUN=/nowhere/server is no program (ENOENT)"),
    stdout: "",
  });
});

test("every figure is compared with figures that its case has", () => {
  for (const { name, figures } of allCases) {
    const ids = figures.map(({ id }) => id);
    expect(new Set(ids).size, name).toBe(ids.length);
    const others = figures.flatMap(({ against = [], bar }) => [
      ...against,
      ...(bar?.kind === "share" ? [bar.of] : []),
      ...(bar?.kind === "value" ? (bar.beside ?? []).map(({ of }) => of) : []),
    ]);
    expect(ids, name).toEqual(expect.arrayContaining(others));
  }
});
