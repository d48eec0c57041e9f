import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCases } from "../../sdk/conformance/harness/case-file.ts";
import { type ConformanceServer, startConformanceServer } from "../../sdk/conformance/harness/conformance-server.ts";
import { languagesNamed } from "../../sdk/conformance/harness/languages.ts";
import { LanguageSuite } from "../../sdk/conformance/harness/run-language.ts";
import { buildRunner, missingToolChain, runCommand } from "../../sdk/conformance/harness/tool-chain.ts";
import { createTestDatabase } from "../support/database.ts";

/** A first build fetches and compiles what the SDK depends on. */
const buildMs = 1_200_000;
const ownTestsMs = 900_000;

/** What the tour prints, in every language. */
const tourOutput = [
  "created 3 tasks",
  "tour.fetch: SUCCESS",
  "tour.align: SUCCESS",
  "tour.report: SUCCESS",
  "batch: SUCCESS",
  "INFO fetched sample 7",
  "TASK_NOT_FOUND",
];

/** Declares what is tested of the SDK of one language: a test for each case of the conformance suite, its tour, and what its own tool chain checks and tests. Where its tool chain is missing the tests fail in CI, and are skipped elsewhere. */
export function runSuite(name: string): void {
  const [language] = languagesNamed([name]);
  const missing = missingToolChain(language!);
  const isSkipped = missing !== undefined && !process.env.CI;
  const cases = readCases();

  describe.skipIf(isSkipped)(isSkipped ? `conformance of ${name} (${missing})` : `conformance of ${name}`, () => {
    /** Ends the runner, the server and the database, each of them also where another one does not end as it should. */
    const running = new AsyncDisposableStack();
    let server: ConformanceServer;
    let suite: LanguageSuite;

    beforeAll(async () => {
      expect(missing).toBeUndefined();
      await buildRunner(language!);
      const database = running.use(await createTestDatabase());
      server = running.use(await startConformanceServer({ DATABASE_URL: database.url }));
      suite = running.use(new LanguageSuite(language!, server));
    }, buildMs);

    afterAll(() => running.disposeAsync());

    describe("together", { concurrent: true }, () => {
      for (const each of cases.filter(({ alone }) => !alone)) it(`${each.name}: ${each.title}`, () => suite.run(each));
    });
    describe("alone", () => {
      for (const each of cases.filter(({ alone }) => alone)) it(`${each.name}: ${each.title}`, () => suite.run(each));
    });

    it("takes the tour", async () => {
      const { program, args, env } = language!.tour;
      const printed = await runCommand({
        folder: ".",
        command: [program, ...args],
        env: { ...env, MILLPOND_ADDRESS: server.address },
      });
      expect(printed.trim().split("\n")).toEqual(tourOutput);
    });

    for (const test of language!.tests) {
      it(`passes ${test.command.map((word) => path.basename(word)).join(" ")}`, { timeout: ownTestsMs }, async () => {
        await runCommand(test);
      });
    }
  });
}
