import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { endLeftOver } from "../cli/support/command-line-setup.ts";
import { type MillpondProcess, runMillpond, startProgram } from "../cli/support/millpond-process.ts";
import { type Installed, install } from "./support/install.ts";
import { outerNodes } from "./support/outer-nodes.ts";
import { filesOf, packingClone, repositoryRoot } from "./support/pack.ts";

const run = promisify(execFile);
const sizeMax = 700_000;
const example = "examples/workflows/1000genome.json";

const packing = new AsyncDisposableStack();
let archive: string;
let installed: Installed;

beforeAll(async () => {
  archive = await packing.use(await packingClone()).pack();
  installed = packing.use(await install("millpond", archive));
});
afterAll(() => packing.disposeAsync());

const inRepository = (pattern: string) => globSync(pattern, { cwd: repositoryRoot }).toSorted();
const compiled = (file: string) => `dist/${file.replace(/\.ts$/, ".js")}`;

test("the package has the compiled server and what that reads, and nothing else", async () => {
  const [sdk, own] = (await filesOf(archive)).reduce<[string[], string[]]>(
    ([inSdk, rest], file) =>
      file.startsWith("dist/node_modules/@millpond/sdk/") ? [[...inSdk, file], rest] : [inSdk, [...rest, file]],
    [[], []],
  );
  const code = [...inRepository("src/**/*.ts"), ...inRepository("migrations/*.ts")].map(compiled);
  const data = [...inRepository("migrations/*/*.sql"), example].map((file) => `dist/${file}`);
  const about = ["package.json", "README.md", "LICENSE", "bin/millpond.cjs", "dist/package.json"];
  expect(own.toSorted()).toEqual([...code, ...data, ...about].toSorted());
  expect(sdk.filter((file) => !/\/sdk\/(package\.json|dist\/[^.]+\.js)$/.test(file))).toEqual([]);
  expect(sdk).toContain("dist/node_modules/@millpond/sdk/dist/index.js");
  expect((await stat(archive)).size).toBeLessThan(sizeMax);
});

test("every module of it finds what it imports among what package.json names", async () => {
  const modules = globSync("dist/{src,migrations}/**/*.js", { cwd: installed.dir, exclude: ["dist/src/cli.js"] });
  const imports = modules.map((file) => `await import("./${file}");`).join("\n");
  const args = ["--input-type=module", "--eval", imports];
  const { stdout, stderr } = await run(process.execPath, args, { cwd: installed.dir });
  expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
});

describe.each(outerNodes())("the package under Node $version", ({ file: node }) => {
  const started: MillpondProcess[] = [];
  const start = (args: readonly string[]) => {
    const command = startProgram([node, path.join(installed.dir, "bin/millpond.cjs"), ...args], {
      ...{ VITEST: undefined, PORT: "0", MILLPOND_DATA_DIR: path.join(installed.folder, "data") },
    });
    started.push(command);
    return command;
  };
  afterEach(() => Promise.all(started.splice(0).map(endLeftOver)));

  test("help and version are those of the repository", async () => {
    const [help, version] = [start(["--help"]), start(["--version"])];
    expect(await help.exit).toBe(0);
    expect(help.output).toEqual({ stdout: (await runMillpond(["--help"])).stdout, stderr: "" });
    expect(await version.exit).toBe(0);
    expect(version.output).toEqual({ stdout: `${packageJson.version}\n`, stderr: "" });
    const misuse = start(["frob"]);
    expect(await misuse.exit).toBe(2);
    expect(misuse.output.stderr).toContain("unknown command 'frob'");
  });

  test("the demo runs to its end", async () => {
    const demo = start(["demo", "--speedup", "1000"]);
    expect(await demo.exit).toBe(0);
    expect(demo.output.stderr).toBe("");
    expect(demo.output.stdout).toMatch(/SUCCESS {2}1000genome[\s\S]*tasks +520 SUCCESS/);
  });

  test("the demo that is kept shows what there is outside of the repository, too", async () => {
    const demo = start(["demo", "--speedup", "1000", "--keep"]);
    const [tries] = await demo.waitFor(/Three things to try:[\s\S]*millpond batch graph \S+ --address http.*\n/);
    expect(tries).not.toMatch(/node_modules|proto |@millpond\/sdk/);
    demo.kill("SIGINT");
    expect(await demo.exit).toBe(0);
  });

  test.each([1, 2])("a server of %i processes starts, serves and stops", async (processes) => {
    const server = start(["serve", "--processes", String(processes)]);
    const [, url = ""] = await server.waitFor(/"url":"([^"]+)".*"millpond is up"/);
    const answer = await fetch(`${url}/millpond.v1.TaskService/CreateTasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ tasks: [{ name: "a", kind: "k" }] }),
    });
    expect(await answer.json()).toMatchObject({ tasks: [{ status: "TASK_STATUS_PENDING" }] });
    server.kill("SIGTERM");
    expect(await server.exit).toBe(0);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });
});
