import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { type MillpondProcess, runMillpond, startMillpond } from "./support/millpond-process.ts";

describe("without a server", () => {
  test("help and version answer with success", async () => {
    const version = await runMillpond(["--version"]);
    expect(version).toMatchObject({ code: 0, stdout: `${packageJson.version}\n` });
    // That each command has an example is checked against the tree of commands, in test/repo/docs-command-line.test.ts.
    for (const command of [[], ["task"], ["task", "update"], ["worker"], ["worker", "run"]]) {
      const help = await runMillpond([...command, "--help"]);
      expect(help.code).toBe(0);
      expect(help.stdout).toMatch(/Examples?:\n {2}/);
    }
  });

  test.each([
    [[], "Usage: millpond"],
    [["frob"], "unknown command 'frob'"],
    [["run"], "missing required argument 'file'"],
    [["run", "x.json", "--slots", "0"], "It must be a whole number from 1 to 10000."],
    [["run", "x.json", "--slots", "50000"], "It must be a whole number from 1 to 10000."],
    [["demo", "--speedup", "fast"], "It must be a number greater than 0."],
    [["demo", "--port", "70000"], "It must be a whole number from 0 to 65535."],
    [["migrate", "down", "--steps", "-1"], "It must be a whole number of at least 1."],
    [["serve", "--port", "1"], "unknown option '--port'"],
  ])("%j is misuse: exit code 2, and stderr says why", async (args, message) => {
    const { code, stderr, stdout } = await runMillpond(args);
    expect(stderr).toContain(message);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  test("a wrong setting is misuse", async () => {
    const { code, stderr } = await runMillpond(["serve"], { PORT: "eighty" });
    expect(stderr).toContain("PORT");
    expect(code).toBe(2);
  });

  test("a file that is missing is a failure", async () => {
    const { code, stderr } = await runMillpond(["run", "/nowhere.json"]);
    expect(stderr).toBe("millpond: there is no file /nowhere.json\n");
    expect(code).toBe(1);
  });
});

describe("with a server", () => {
  let folder: string;
  let server: MillpondProcess;
  let address: string;

  const run = async (name: string, workflow: unknown, ...options: string[]) => {
    const file = path.join(folder, name);
    await writeFile(file, JSON.stringify(workflow));
    return runMillpond(["run", file, "--address", address, ...options]);
  };
  const task = (id: string, ...parents: string[]) => ({ id, kind: "k", parents, runtime_seconds: 0.05 });

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "millpond-cli-"));
    // As root, PostgreSQL runs as another user.
    await chmod(folder, 0o755);
    server = startMillpond(["serve"], { PORT: "0", MILLPOND_DATA_DIR: path.join(folder, "data") });
    const [, url] = await server.waitFor(/"url":"(http:[^"]+)"/);
    address = url ?? "";
  });

  afterAll(async () => {
    server.kill("SIGTERM");
    expect(await server.exit).toBe(0);
    await rm(folder, { recursive: true, force: true });
  });

  test("a workflow runs to success and the summary says what it took", async () => {
    const workflow = { name: "diamond", tasks: [task("d", "b", "c"), task("a"), task("b", "a"), task("c", "a")] };
    const { code, stdout, stderr } = await run("diamond.json", workflow);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/SUCCESS {2}diamond/);
    expect(stdout).toMatch(/tasks {13}4 SUCCESS/);
    expect(stdout).toMatch(/dependencies {6}4 checked against the times of the events, all respected/);
    expect(code).toBe(0);
  });

  test("--json prints nothing but the summary", async () => {
    const { code, stdout } = await run("chain.json", { name: "chain", tasks: [task("a"), task("b", "a")] }, "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      workflow: "chain",
      status: "SUCCESS",
      tasks_by_status: { SUCCESS: 2 },
      critical_path: { tasks: 2, first: "a", last: "b" },
      dependencies: { checked: 1, violations: [] },
    });
    expect(code).toBe(0);
  });

  test("a workflow without tasks succeeds at once", async () => {
    const { code, stdout } = await run("empty.json", { name: "empty", tasks: [] });
    expect(stdout).toMatch(/SUCCESS {2}empty/);
    expect(code).toBe(0);
  });

  test("a circle is misuse, and is told with line and column", async () => {
    const { code, stderr } = await run("circle.json", { name: "circle", tasks: [task("a", "b"), task("b", "a")] });
    expect(stderr).toMatch(
      /circle\.json:1:\d+: tasks\[\d\]\.dependencies: part of the cycle (a -> b -> a|b -> a -> b)/,
    );
    expect(code).toBe(2);
  });

  test("a parent that does not exist is misuse, and is told with line and column", async () => {
    const { code, stderr } = await run("unknown.json", { name: "unknown", tasks: [task("a", "nobody")] });
    expect(stderr).toMatch(/unknown\.json:1:60: tasks\[0\]\.dependencies\[0\]\.key: .*"nobody"/);
    expect(code).toBe(2);
  });

  test("Ctrl-C stops the batch and ends with 130", async () => {
    const file = path.join(folder, "long.json");
    await writeFile(file, JSON.stringify({ name: "long", tasks: [{ ...task("a"), runtime_seconds: 600 }] }));
    const command = startMillpond(["run", file, "--address", address]);
    const [, batchId] = await command.waitFor(/as batch (\S+)/);
    await command.waitFor(/1 running/);
    command.kill("SIGINT");
    expect(await command.exit).toBe(130);
    expect(command.output.stderr).toBe("millpond: stopped, and the batch with it\n");

    const answer = await fetch(`${address}/millpond.v1.BatchService/GetBatch`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ batch_id: batchId }),
    });
    expect(await answer.json()).toMatchObject({ batch: { status: "BATCH_STATUS_CANCELED" } });
  });

  test("an address where nobody listens is a failure that says what to do", async () => {
    const file = path.join(folder, "chain.json");
    await writeFile(file, JSON.stringify({ name: "chain", tasks: [task("a")] }));
    const { code, stderr } = await runMillpond(["run", file, "--address", "127.0.0.1:9"]);
    expect(stderr).toContain("no Millpond server answers at http://127.0.0.1:9");
    expect(stderr).toContain("start one with `millpond serve`");
    expect(code).toBe(1);
  });

  test("a second server on the same data folder is refused with a clear message", async () => {
    const second = await runMillpond(["serve"], { PORT: "0", MILLPOND_DATA_DIR: path.join(folder, "data") });
    expect(second.stderr).toContain(path.join(folder, "data"));
    expect(second.code).toBe(1);
  });

  test("the example of a first graph runs to success", async () => {
    const file = fileURLToPath(new URL("../../examples/first-graph.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [file], {
      env: { ...process.env, MILLPOND_ADDRESS: address },
    });
    expect(stdout).toMatch(/fetch: SUCCESS\n[\s\S]*align: RUNNING\nfirst-graph\.align: SUCCESS\nbatch: SUCCESS\n$/);
  });
});
