import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLineSetup, commandLineSetup } from "./support/command-line-setup.ts";

let cli: CommandLineSetup;
const nobody = "01990000-0000-7000-8000-000000000000";

beforeAll(async () => {
  cli = await commandLineSetup();
});
afterAll(() => cli[Symbol.asyncDispose]());

/** A batch of tasks of one kind, of whose tenant one at a time may run. */
async function limited(kind: string, count: number): Promise<{ batchId: string; ids: string[] }> {
  const rules = [
    { name: "turns", matcher: { kind, fields: ["t"] }, limit: { case: "maxConcurrency" as const, value: 1 } },
  ];
  const { batch, tasks } = await cli.client.tasks.createTasks({
    tasks: Array.from({ length: count }, () => ({ name: kind, kind, rules, metadata: { t: "x" } })),
  });
  return { batchId: batch?.batchId ?? "", ids: tasks.map(({ taskId }) => taskId) };
}

const claim = (kind: string, maxTasks: number) =>
  cli.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks });

describe("rule usage", () => {
  test("it shows each key with what holds it and what waits for it", async () => {
    const { batchId } = await limited("used", 3);
    await claim("used", 3);
    const { code, stdout } = await cli.run(["rule", "usage", "--batch", batchId, "--kind", "used"]);
    expect(stdout).toMatch(
      /^KEY +IN USE +QUEUED +OLDEST +RULE\n\["used",\{"t":"x"\}\] +1 of 1 +2 +(now|\d+ s ago) +turns: 1 running at a time, of used by t\n$/,
    );
    expect(code).toBe(0);
    expect(await cli.json("rule", "usage", "--kind", "used")).toMatchObject({
      usages: [{ key: '["used",{"t":"x"}]', inUse: "1", limit: "1", queuedCount: "2", rule: { name: "turns" } }],
    });
  });

  test("pages are one list, and the token leads on", async () => {
    const kinds = ["paged-a", "paged-b", "paged-c"];
    for (const kind of kinds) await limited(kind, 1);
    for (const kind of kinds) await claim(kind, 1);
    const first = await cli.json("rule", "usage", "--limit", "2");
    expect(first.usages).toHaveLength(2);
    expect((await cli.run(["rule", "usage", "--limit", "2"])).stdout).toContain(
      "These are the 2 with the longest queues; --limit 20 shows more.\n",
    );
    const rest = await cli.json("rule", "usage", "--page-token", first.nextPageToken);
    const keys = [...first.usages, ...rest.usages].map(({ key }: { key: string }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    for (const kind of kinds) expect(keys).toContain(`["${kind}",{"t":"x"}]`);
  });

  test("nothing, and a batch that does not exist, are told", async () => {
    expect((await cli.run(["rule", "usage", "--kind", "no-such-kind"])).stdout).toBe(
      "No such key of a rule is in use or waited for.\n",
    );
    const unknown = await cli.run(["rule", "usage", "--batch", nobody]);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("BATCH_NOT_FOUND") });
  });
});

describe("rule set", () => {
  const rules = (kind: string, max: number) => `- {name: more, matcher: {kind: ${kind}}, max_concurrency: ${max}}\n`;

  test("--dry-run says what would be and changes nothing; without it the rules are in force", async () => {
    const { batchId, ids } = await limited("set", 3);
    const file = await cli.file("rules.yaml", rules("set", 2));
    const set = ["rule", "set", batchId, file, "--kind", "set"];
    const dry = await cli.run([...set, "--dry-run"]);
    expect(dry).toMatchObject({
      stdout:
        "Nothing was changed. The rules would be those of 3 tasks of kind set; of those that may start, they let 2 in and hold 1.\n",
      code: 0,
    });
    expect((await cli.json("task", "get", ids[0] ?? "")).task.rules).toMatchObject([{ name: "turns" }]);

    const done = await cli.run([...set, "--reason", "two machines more"]);
    expect(done.stdout).toBe(
      "The rules are those of 3 tasks of kind set; of those that may start, they let 2 in and hold 1.\n",
    );
    expect((await claim("set", 3)).assignments).toHaveLength(2);
    expect((await cli.run(["task", "get", ids[0] ?? ""])).stdout).toContain(
      "  rules         more: 2 running at a time, of set\n",
    );
  });

  test("--none takes them away, and standard input is taken as JSON of a request, too", async () => {
    const { batchId } = await limited("input", 3);
    const json = '{"rules": [{"matcher": {"kind": "input"}, "rate": {"count": 5, "window": "60s"}}]}';
    const set = await cli.run(["rule", "set", batchId, "-", "--kind", "input", "--json"], json);
    expect(JSON.parse(set.stdout)).toMatchObject({ batch: { batchId }, updated: "3", wouldStart: "3" });
    expect(await cli.json("rule", "set", batchId, "--kind", "input", "--none")).toMatchObject({ updated: "3" });
    expect((await claim("input", 3)).assignments).toHaveLength(3);
  });

  test("an etag of before is refused, and the current one taken; a request id is carried out once", async () => {
    const { batchId } = await limited("tagged", 1);
    const set = ["rule", "set", batchId, await cli.file("tagged.yaml", rules("tagged", 2)), "--kind", "tagged"];
    const stale = await cli.run([...set, "--etag", "stale"]);
    expect(stale).toMatchObject({ code: 1, stderr: expect.stringContaining("(ETAG_MISMATCH)") });
    const { batch } = await cli.json("batch", "get", batchId);
    const once = [...set, "--etag", batch.etag, "--request-id", "rules-1"];
    expect((await cli.run(once)).code).toBe(0);
    expect((await cli.run(once)).code).toBe(0);
  });

  test.each([
    [
      "field.yaml",
      "- {matcher: {kind: k}, max_concurency: 1}",
      "field.yaml:1:24: rules[0] has no field max_concurency",
    ],
    ["text.yaml", "hello", "text.yaml:1:1: it holds no list of rules; [] is one without any"],
    ["none.yaml", "- {matcher: {kind: k}, max_concurrency: 0}", "none.yaml:1:41: rules[0].max_concurrency"],
    ["both.yaml", "- {matcher: {kind: k}, max_concurrency: 1, max_capacity: 2}", "exclude each other"],
    [
      "alias.yaml",
      "- {matcher: *nowhere, max_concurrency: 1}",
      "alias.yaml:1:13: there is no anchor &nowhere above it",
    ],
  ])("%s is misuse, and says where", async (name, text, message) => {
    const { batchId } = await limited("refused", 1);
    const { code, stderr } = await cli.run(["rule", "set", batchId, await cli.file(name, text), "--kind", "refused"]);
    expect(stderr.replaceAll(`${cli.folder}/`, "")).toContain(message);
    expect(code).toBe(2);
  });

  test.each([
    [[nobody, "--kind", "k"], "say what the rules are: a FILE (- for standard input), or --none"],
    [[nobody, "-", "--kind", "k", "--none"], "say what the rules are"],
    [[nobody, "-"], "required option '--kind <kind>' not specified"],
    [["42", "-", "--kind", "k"], "It must be the id of a batch"],
  ])("%j is misuse", async (args, message) => {
    const { code, stderr } = await cli.run(["rule", "set", ...args]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});
