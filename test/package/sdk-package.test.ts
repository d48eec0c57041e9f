import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { setup } from "../support/setup.ts";
import { type Installed, install } from "./support/install.ts";
import { filesOf, type PackingClone, packingClone, repositoryRoot } from "./support/pack.ts";

const run = promisify(execFile);
const manifestFile = "sdk/typescript/package.json";
const compiler = path.join(repositoryRoot, "node_modules/@typescript/native/bin/tsc");

const packing = new AsyncDisposableStack();
let clone: PackingClone;
let archive: string;
let installed: Installed;

beforeAll(async () => {
  clone = packing.use(await packingClone());
  archive = await clone.pack("sdk/typescript");
  installed = packing.use(await install("@millpond/sdk", archive));
});
afterAll(() => packing.disposeAsync());

test("the package has the compiled SDK with its types, and nothing else", async () => {
  const sources = globSync("**/*.ts", { cwd: path.join(repositoryRoot, "sdk/typescript/src"), exclude: ["gen/**"] });
  const generated = globSync("gen/**/*_pb.*", { cwd: path.join(repositoryRoot, "sdk/typescript/src") });
  const names = sources.map((file) => file.replace(/\.ts$/, ""));
  const code = [...generated, ...names.flatMap((name) => [`${name}.js`, `${name}.d.ts`])].map((file) => `dist/${file}`);
  expect((await filesOf(archive)).toSorted()).toEqual([...code, "package.json", "README.md", "LICENSE"].toSorted());
});

test("packing leaves the repository's manifest as it was, which leads to the source", () => {
  const manifest = readFileSync(path.join(repositoryRoot, manifestFile), "utf8");
  expect(readFileSync(path.join(clone.folder, manifestFile), "utf8")).toBe(manifest);
  expect(JSON.parse(manifest).exports).toEqual({ ".": "./src/index.ts" });
});

test("a program that has installed it is checked and runs", async () => {
  await using millpond = await setup();
  await writeFile(path.join(installed.folder, "package.json"), '{ "type": "module" }');
  await writeFile(
    path.join(installed.folder, "program.ts"),
    `
import { createClient, createGraph, type Task, TaskStatus } from "@millpond/sdk";
const client = createClient({ address: process.argv[2]! });
const graph = createGraph({ name: "from a package" });
const fetch = graph.task("fetch", { kind: "fetch" });
graph.task("align", { kind: "align", after: [fetch] });
const { tasks } = await client.tasks.createTasks(graph.toRequest());
const { task }: { task?: Task } = await client.tasks.getTask({ taskId: tasks[1]!.taskId });
console.log(task!.key, TaskStatus[task!.status]);
client.close();
// @ts-expect-error The types refuse what is wrong.
export const wrong: () => void = () => createGraph({ name: 7 });
`,
  );
  const types = path.join(repositoryRoot, "node_modules/@types");
  const strict = ["--strict", "--module", "nodenext", "--target", "es2024", "--types", "node", "--typeRoots", types];
  await run(process.execPath, [compiler, ...strict, "program.ts"], { cwd: installed.folder });
  const { stdout } = await run(process.execPath, ["program.js", millpond.url], { cwd: installed.folder });
  expect(stdout).toBe("align WAITING\n");
});
