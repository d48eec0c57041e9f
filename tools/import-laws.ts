// The import laws of this repository; `npm run imports:check` keeps them.
//
// TypeScript is read through the JavaScript API of TypeScript 6 (`typescript` in package.json is the compatibility package
// that Microsoft ships for this purpose), because the native compiler of TypeScript 7, which checks the types, has none.
// `tsPreCompilationDeps` makes `import type` count like any other import.

import type { IConfiguration, IForbiddenRuleType, IRegularForbiddenRuleType } from "dependency-cruiser";

type Law = IRegularForbiddenRuleType;

/** The folders and files of src/ by rank: an import goes to the same rank or down. */
const ranks = [
  ["lib/"],
  ["domain/"],
  ["wire/", "store/"],
  ["commands/", "queries/", "events/"],
  ["dispatch/", "webhooks/", "maintenance/"],
  ["rpc/"],
  ["server/", "config/"],
  ["main.ts", "cli.ts", "cli/"],
];

const src = (names: readonly string[]): string =>
  `^src/(${names.map((name) => name.replaceAll(".", "\\.")).join("|")})`;
const packages = (names: readonly string[]): string =>
  `(^|/)node_modules/(${names.join("|")})(/|$)|^(${names.join("|")})(/|$)`;
const law = (name: string, comment: string, from: Law["from"], to: Law["to"]): Law => ({
  name,
  comment,
  severity: "error",
  from,
  to,
});

const importsGoDown = ranks
  .slice(0, -1)
  .map((folders, rank) =>
    law(
      `imports-go-down-from-rank-${rank}`,
      `${folders.join(", ")} may import its own rank and what stands below it. Move the code down, or pass it in as an argument.`,
      { path: src(folders) },
      { path: src(ranks.slice(rank + 1).flat()) },
    ),
  );

/** Folders of one rank that must not know each other. */
const strangers = [
  ["wire/", "store/"],
  ["dispatch/", "webhooks/", "maintenance/"],
].flatMap((folders) =>
  folders.map((folder) =>
    law(
      `${folder.slice(0, -1)}-knows-no-neighbour`,
      `${folders.join(", ")} do not know each other. What they share belongs below them.`,
      { path: src([folder]) },
      { path: src(folders.filter((other) => other !== folder)) },
    ),
  ),
);

/** The laws, for dependency-cruiser. */
const configuration: IConfiguration & { forbidden: IForbiddenRuleType[] } = {
  forbidden: [
    ...importsGoDown,
    ...strangers,
    law(
      "no-cycles",
      "Modules import each other in a circle. Move what both need into a third, lower one.",
      {},
      { circular: true },
    ),
    law(
      "domain-is-pure",
      "domain/ imports nothing but domain/ and lib/: no package, no part of Node.",
      { path: "^src/domain/" },
      { pathNot: "^src/(domain|lib)/" },
    ),
    law(
      "lib-is-a-leaf",
      "lib/ imports nothing else of this repository.",
      { path: "^src/lib/" },
      { path: "^(src|sdk|migrations|test|tools|bench|examples)/", pathNot: "^src/lib/" },
    ),
    law(
      "generated-code-stops-at-the-wire",
      "Only rpc/, wire/ and server/ import gen/. Translate to a domain type in wire/.",
      { path: "^src/", pathNot: "^src/(gen|rpc|wire|server)/" },
      { path: "^src/gen/" },
    ),
    law(
      "generated-code-imports-no-source",
      "gen/ imports only packages and itself.",
      { path: "^src/gen/" },
      { path: "^(src|sdk|migrations|test|tools)/", pathNot: "^src/gen/" },
    ),
    law(
      "wire-libraries-stop-at-the-wire",
      "Only gen/, wire/, rpc/, server/ and the command line import the Protobuf and Connect libraries.",
      { path: "^src/", pathNot: "^src/(gen/|wire/|rpc/|server/|cli/|cli\\.ts$)" },
      { path: packages(["@bufbuild", "@connectrpc"]) },
    ),
    law(
      "database-libraries-stop-at-the-store",
      "Only store/ and migrations/ import pg, MikroORM and kysely.",
      { path: "^(src|sdk)/", pathNot: "^src/store/" },
      { path: packages(["pg", "pg-[a-z-]+", "@mikro-orm", "kysely"]) },
    ),
    law(
      "migrations-stand-alone",
      "A migration must go on meaning the same: it imports nothing of the code that changes around it.",
      { path: "^migrations/" },
      { path: "^(src|sdk|test|tools)/" },
    ),
    law(
      "migrations-belong-to-the-store",
      "Only store/ imports migrations/.",
      { path: "^(src|sdk)/", pathNot: "^src/store/" },
      { path: "^migrations/" },
    ),
    law(
      "configuration-is-read-at-the-top",
      "Only server/, main.ts and the command line import config/. Pass the values down.",
      { path: "^src/", pathNot: "^src/(config/|server/|main\\.ts$|cli\\.ts$|cli/)" },
      { path: "^src/config/" },
    ),
    law(
      "configuration-knows-no-server",
      "config/ is read by the server and does not know it.",
      { path: "^src/config/" },
      { path: "^src/", pathNot: "^src/(config|domain|lib)/" },
    ),
    law(
      "command-line-speaks-through-the-sdk",
      "Commands of the command line reach a server through the SDK, as any other client does.",
      { path: "^src/cli(/|\\.ts$)" },
      { path: "^src/(gen|wire|domain|commands|queries|events|dispatch|webhooks|maintenance|rpc)/" },
    ),
    law(
      "sdk-is-for-clients",
      "Only the command line imports the SDK.",
      { path: "^(src|migrations)/", pathNot: "^src/cli(/|\\.ts$)" },
      { path: "^sdk/|(^|/)node_modules/@millpond/" },
    ),
    law(
      "sdk-stands-alone",
      "sdk/ imports nothing of the server.",
      { path: "^sdk/[^/]+/src/" },
      { path: "^(src|migrations|test|tools)/" },
    ),
    law(
      "product-imports-no-tools",
      "src/, sdk/ and migrations/ import neither tests nor tools.",
      { path: "^(src|migrations|sdk/[^/]+/src)/" },
      { path: "^(test|tools|bench|examples)/" },
    ),
    law(
      "product-imports-no-development-packages",
      "A package that src/ imports stands in `dependencies` of package.json.",
      { path: "^(src|migrations|sdk/[^/]+/src)/" },
      { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["npm", "type-only"] },
    ),
    law(
      "everything-resolves",
      "The imported file or package does not exist, or package.json does not list it.",
      {},
      { couldNotResolve: true },
    ),
    {
      name: "everything-is-used",
      comment: "No way of imports leads to this module from src/main.ts or src/cli.ts. Wire it in or remove it.",
      severity: "error",
      from: { path: "^src/(main|cli)\\.ts$" },
      to: { path: "^src/", pathNot: "^src/(gen/|main\\.ts$|cli\\.ts$)", reachable: false },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|coverage)/" },
    enhancedResolveOptions: {
      extensions: [".ts", ".mts", ".js", ".mjs", ".cjs", ".json"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};

export default configuration;
