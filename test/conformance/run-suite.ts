import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCases } from "../../sdk/conformance/harness/case-file.ts";
import { type ConformanceServer, startConformanceServer } from "../../sdk/conformance/harness/conformance-server.ts";
import { languagesNamed } from "../../sdk/conformance/harness/languages.ts";
import { LanguageSuite } from "../../sdk/conformance/harness/run-language.ts";
import { buildRunner, missingToolChain } from "../../sdk/conformance/harness/tool-chain.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const buildMs = 600_000;

/** Declares the conformance suite of one language: a test for each case. Where its tool chain is missing the tests fail in CI, and are skipped elsewhere. */
export function runSuite(name: string): void {
  const [language] = languagesNamed([name]);
  const missing = missingToolChain(language!);
  const isSkipped = missing !== undefined && !process.env.CI;
  const cases = readCases();

  describe.skipIf(isSkipped)(isSkipped ? `conformance of ${name} (${missing})` : `conformance of ${name}`, () => {
    let database: TestDatabase;
    let server: ConformanceServer;
    let suite: LanguageSuite;

    beforeAll(async () => {
      expect(missing).toBeUndefined();
      await buildRunner(language!);
      database = await createTestDatabase();
      server = await startConformanceServer({ DATABASE_URL: database.url });
      suite = new LanguageSuite(language!, server);
    }, buildMs);

    afterAll(async () => {
      await suite?.[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
      await database?.drop();
    });

    describe("together", { concurrent: true }, () => {
      for (const each of cases.filter(({ alone }) => !alone)) it(`${each.name}: ${each.title}`, () => suite.run(each));
    });
    describe("alone", () => {
      for (const each of cases.filter(({ alone }) => alone)) it(`${each.name}: ${each.title}`, () => suite.run(each));
    });
  });
}
