import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import configuration from "../../tools/import-laws.ts";

const root = path.resolve(import.meta.dirname, "../..");
const cruiser = path.join(root, "node_modules/.bin/depcruise");

/** One breach of each law: the file that breaks it and the import with which it does. */
const breaches: ReadonlyArray<{ law: string; from: string; to: string; code?: string }> = [
  { law: "imports-go-down-from-rank-0", from: "src/lib/up.ts", to: "src/domain/base.ts" },
  { law: "imports-go-down-from-rank-1", from: "src/domain/up.ts", to: "src/store/base.ts" },
  { law: "imports-go-down-from-rank-2", from: "src/store/up.ts", to: "src/commands/base.ts" },
  { law: "imports-go-down-from-rank-3", from: "src/queries/up.ts", to: "src/dispatch/base.ts" },
  { law: "imports-go-down-from-rank-4", from: "src/webhooks/up.ts", to: "src/rpc/base.ts" },
  { law: "imports-go-down-from-rank-5", from: "src/rpc/up.ts", to: "src/server/base.ts" },
  { law: "imports-go-down-from-rank-6", from: "src/server/up.ts", to: "src/main.ts" },
  { law: "wire-knows-no-neighbour", from: "src/wire/sideways.ts", to: "src/store/base.ts" },
  { law: "store-knows-no-neighbour", from: "src/store/sideways.ts", to: "src/wire/base.ts" },
  { law: "dispatch-knows-no-neighbour", from: "src/dispatch/sideways.ts", to: "src/webhooks/base.ts" },
  { law: "webhooks-knows-no-neighbour", from: "src/webhooks/sideways.ts", to: "src/maintenance/base.ts" },
  { law: "maintenance-knows-no-neighbour", from: "src/maintenance/sideways.ts", to: "src/dispatch/base.ts" },
  { law: "no-cycles", from: "src/domain/circle-a.ts", to: "src/domain/circle-b.ts" },
  { law: "domain-is-pure", from: "src/domain/reads-files.ts", to: "fs/promises", code: 'import "node:fs/promises";' },
  { law: "lib-is-a-leaf", from: "src/lib/not-a-leaf.ts", to: "sdk/typescript/src/index.ts" },
  { law: "generated-code-stops-at-the-wire", from: "src/commands/knows-messages.ts", to: "src/gen/message.ts" },
  { law: "generated-code-imports-no-source", from: "src/gen/imports-source.ts", to: "src/lib/base.ts" },
  {
    law: "wire-libraries-stop-at-the-wire",
    from: "src/commands/knows-connect.ts",
    to: "node_modules/@connectrpc/connect/index.js",
    code: 'import "@connectrpc/connect";',
  },
  {
    law: "database-libraries-stop-at-the-store",
    from: "src/commands/knows-pg.ts",
    to: "node_modules/pg/index.js",
    code: 'import type { Client } from "pg";\nexport type C = Client;',
  },
  {
    law: "database-libraries-stop-at-the-store",
    from: "src/server/knows-orm.ts",
    to: "node_modules/@mikro-orm/core/index.js",
    code: 'export type C = import("@mikro-orm/core").Client;',
  },
  { law: "migrations-stand-alone", from: "migrations/0001-first.ts", to: "src/store/base.ts" },
  { law: "migrations-belong-to-the-store", from: "src/server/migrates.ts", to: "migrations/0001-first.ts" },
  { law: "configuration-is-read-at-the-top", from: "src/rpc/reads-settings.ts", to: "src/config/base.ts" },
  { law: "configuration-knows-no-server", from: "src/config/starts-server.ts", to: "src/server/base.ts" },
  { law: "command-line-speaks-through-the-sdk", from: "src/cli/run.ts", to: "src/commands/base.ts" },
  { law: "sdk-is-for-clients", from: "src/rpc/uses-sdk.ts", to: "sdk/typescript/src/index.ts" },
  { law: "sdk-stands-alone", from: "sdk/typescript/src/uses-server.ts", to: "src/lib/base.ts" },
  { law: "product-imports-no-tools", from: "src/server/uses-tests.ts", to: "test/base.ts" },
  {
    law: "product-imports-no-development-packages",
    from: "src/server/uses-vitest.ts",
    to: "node_modules/vitest/index.js",
    code: 'import "vitest";',
  },
  {
    law: "everything-resolves",
    from: "src/server/typo.ts",
    to: "./no-such-file.ts",
    code: 'import "./no-such-file.ts";',
  },
  { law: "everything-is-used", from: "src/lib/unused.ts", to: "src/lib/unused.ts", code: "export const unused = 1;" },
];

/** Modules that the breaches import; imports among them are lawful. */
const sound: Readonly<Record<string, string>> = {
  "src/cli.ts": 'import { main } from "./main.ts";\nexport const cli = main;',
  "src/domain/base.ts": 'import { base as lib } from "../lib/base.ts";\nexport const base = lib;',
  "src/domain/circle-b.ts": 'import type {} from "./circle-a.ts";\nexport const b = 1;',
  "src/gen/message.ts": 'import "@bufbuild/protobuf";\nexport const message = 1;',
  "src/store/base.ts": 'import "pg";\nimport { base as domain } from "../domain/base.ts";\nexport const base = domain;',
  "src/main.ts": 'import { base } from "./server/base.ts";\nexport const main = base;',
  "sdk/typescript/src/index.ts": "export const sdk = 1;",
  "test/base.ts":
    'import { base as rpc } from "../src/rpc/base.ts";\nimport { base as store } from "../src/store/base.ts";\n' +
    "export const base = rpc + store;",
  ...Object.fromEntries(
    ["lib", "wire", "commands", "dispatch", "webhooks", "maintenance", "rpc", "server", "config"].map((folder) => [
      `src/${folder}/base.ts`,
      "export const base = 1;",
    ]),
  ),
};

interface Violation {
  rule: { name: string };
  from: string;
  to: string;
}

let folder: string;
let violations: Violation[];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "millpond-import-laws-"));
  await writeTree(folder);
  violations = await cruise(folder);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the import laws", () => {
  it.each(breaches)("$law: $from may not import $to", ({ law, from, to }) => {
    expect(violations).toContainEqual(
      expect.objectContaining({ rule: expect.objectContaining({ name: law }), from, to }),
    );
  });

  it("have a breach on trial for each of them", () => {
    const laws = configuration.forbidden.map(({ name }) => name);
    expect(new Set(breaches.map(({ law }) => law))).toEqual(new Set(laws));
  });

  it("leave lawful imports alone", () => {
    const offenders = new Set([...breaches.map(({ from }) => from), "src/domain/circle-b.ts"]);
    const used = new Set(["src/main.ts", "src/cli.ts", "src/server/base.ts"]);
    const unjust = violations.filter(({ rule, from }) =>
      rule.name === "everything-is-used" ? used.has(from) : !offenders.has(from),
    );
    expect(unjust).toEqual([]);
  });
});

async function writeTree(target: string): Promise<void> {
  const files = new Map(Object.entries(sound));
  for (const { from, to, code } of breaches) {
    const specifier = path.posix.relative(path.posix.dirname(from), to);
    files.set(from, code ?? `export * from "${specifier.startsWith(".") ? specifier : `./${specifier}`}";`);
  }
  const packages = ["pg", "@mikro-orm/core", "@connectrpc/connect", "@bufbuild/protobuf", "vitest"];
  for (const name of packages) {
    files.set(`node_modules/${name}/package.json`, JSON.stringify({ name, version: "1.0.0", main: "index.js" }));
    files.set(`node_modules/${name}/index.js`, "module.exports = {};");
  }
  const dependencies = Object.fromEntries(packages.slice(0, -1).map((name) => [name, "1.0.0"]));
  files.set("package.json", JSON.stringify({ type: "module", dependencies, devDependencies: { vitest: "1.0.0" } }));
  files.set("tsconfig.json", JSON.stringify({ compilerOptions: { module: "nodenext" } }));
  for (const [name, text] of files) {
    const file = path.join(target, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

async function cruise(cwd: string): Promise<Violation[]> {
  const laws = path.join(root, "tools/import-laws.ts");
  const folders = ["src", "sdk/typescript/src", "migrations", "test"];
  const { stdout } = await promisify(execFile)(cruiser, ["--config", laws, "--output-type", "json", ...folders], {
    cwd,
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout).summary.violations;
}
