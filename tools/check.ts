// Runs every check of the repository, two at a time, and reports all that fail with the command that mends each.
import { spawn } from "node:child_process";
import path from "node:path";

interface Check {
  /** What is checked, as the report names it. */
  subject: string;
  /** The npm script that checks it. */
  script: string;
  /** The command that mends it, or, where only a person can, the one that shows it again. */
  remedy: string;
}

interface Outcome {
  check: Check;
  passed: boolean;
  output: string;
}

const checks: readonly Check[] = [
  { subject: "schema.sql", script: "schema:check", remedy: "npm run schema" },
  { subject: "format and lint", script: "lint", remedy: "npm run format (and by hand what it leaves)" },
  { subject: "types", script: "types:check", remedy: "by hand; npm run types:check shows it again" },
  { subject: "imports", script: "imports:check", remedy: "by hand; npm run imports:check shows it again" },
  { subject: "protos", script: "proto:check", remedy: "npx buf format --write proto (and by hand what it leaves)" },
  { subject: "generated code", script: "generate:check", remedy: "npm run generate" },
  { subject: "documents", script: "docs:check", remedy: "npm run docs" },
];
const concurrency = 2;

process.exitCode = await main();

async function main(): Promise<number> {
  const startMs = performance.now();
  const waiting = [...checks];
  const outcomes: Outcome[] = [];
  const lane = async () => {
    for (let check = waiting.shift(); check; check = waiting.shift()) outcomes.push(await run(check));
  };
  await Promise.all(Array.from({ length: concurrency }, lane));

  const failed = outcomes.filter(({ passed }) => !passed);
  for (const { check, output } of failed) {
    console.log(`\n── ${check.subject} ──\n${output.trim()}\n\nmend it: ${check.remedy}`);
  }
  const names = failed.map(({ check }) => check.subject).join(", ");
  const summary =
    failed.length === 0
      ? `all ${checks.length} checks passed`
      : `${failed.length} of ${checks.length} checks failed: ${names}`;
  console.log(`\n${summary} (${seconds(startMs)})`);
  return failed.length === 0 ? 0 : 1;
}

async function run(check: Check): Promise<Outcome> {
  const startMs = performance.now();
  const { code, output } = await runScript(check.script);
  const passed = code === 0;
  console.log(`${passed ? "ok    " : "FAILED"}  ${check.subject.padEnd(16)}  ${seconds(startMs)}`);
  return { check, passed, output };
}

function runScript(script: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn("npm", ["run", "--silent", script], {
      cwd: path.resolve(import.meta.dirname, ".."),
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32",
    });
    let output = "";
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", (error) => resolve({ code: 1, output: error.message }));
    child.once("close", (code) => resolve({ code, output }));
  });
}

function seconds(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
}
