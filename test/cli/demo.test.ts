import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type MillpondProcess, startMillpond } from "./support/millpond-process.ts";

let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "millpond-demo-"));
  // As root, PostgreSQL runs as another user.
  await chmod(folder, 0o755);
  env = { MILLPOND_DATA_DIR: path.join(folder, "data") };
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function demo(runtimeSeconds: number, ...options: string[]) {
  const tasks = ["a", "b", "c"].map((id, index, ids) => ({
    id,
    kind: `kind ${id}`,
    parents: ids.slice(0, index),
    runtime_seconds: runtimeSeconds,
  }));
  const file = path.join(folder, "workflow.json");
  await writeFile(file, JSON.stringify({ name: "three steps", source: "a test", tasks }));
  return startMillpond(["demo", file, ...options], env);
}

const urlOf = async (command: MillpondProcess) => (await command.waitFor(/listens on (\S+)/))[1] ?? "";

const serverIsGone = (url: string) =>
  vi.waitFor(() => expect(fetch(`${url}/healthz`)).rejects.toThrow(), { timeout: 30_000, interval: 50 });

async function outputAtEnd({ exit, output }: MillpondProcess) {
  return { code: await exit, ...output };
}

test("the demo starts a server, runs the workflow, says what it took and stops the server", async () => {
  const command = await demo(0.1);
  const url = await urlOf(command);
  const { code, stdout, stderr } = await outputAtEnd(command);
  expect(stderr).toBe("");
  expect(stdout).toContain(`data in ${env.MILLPOND_DATA_DIR}`);
  expect(stdout).toMatch(/SUCCESS {2}three steps/);
  expect(stdout).toMatch(/critical path {5}3 tasks, 0\.3 s recorded, 0\.3 s at this speed: a → c/);
  expect(stdout).toMatch(/engine overhead {3}p50 \d+\.\d ms, p99 \d+\.\d ms/);
  expect(stdout).toMatch(/source {12}a test/);
  expect(code).toBe(0);
  await serverIsGone(url);
});

test("--keep leaves the server up, shows what to try, and Ctrl-C ends it", async () => {
  const command = await demo(0.01, "--keep");
  const url = await urlOf(command);
  const [, curl] = await command.waitFor(/curl -s (\S+)[\s\S]*grpcurl[\s\S]*createClient[\s\S]*\.start\(\);'/);
  expect(curl).toBe(`${url}/millpond.v1.BatchService/GetBatch`);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  command.kill("SIGINT");
  expect(await command.exit).toBe(0);
  await serverIsGone(url);
});

test("Ctrl-C in the middle ends batch and server, with 130", async () => {
  const command = await demo(600, "--speedup", "1");
  const url = await urlOf(command);
  await command.waitFor(/1 running/);
  command.kill("SIGINT");
  const { code, stderr } = await outputAtEnd(command);
  expect(stderr).toBe("millpond: stopped\n");
  expect(code).toBe(130);
  await serverIsGone(url);
});

test("a demo that is killed takes its server with it, and the next one cleans up", async () => {
  const command = await demo(600, "--speedup", "1");
  const url = await urlOf(command);
  await command.waitFor(/1 running/);
  command.kill("SIGKILL");
  expect(await command.exit).toBe("SIGKILL");
  await serverIsGone(url);

  const next = await demo(0.05, "--json");
  expect(await next.exit).toBe(0);
  expect(JSON.parse(next.output.stdout)).toMatchObject({ status: "SUCCESS", tasks: 3 });
});
