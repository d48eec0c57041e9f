import { defineConfig } from "vitest/config";

/** What takes many seconds: whole histories, and what waits for real timeouts, processes or large tables. */
const longTests = [
  ...["engine", "scenario", "chaos", "cli", "conformance", "package"].map((folder) => `test/${folder}/**/*.test.ts`),
  "test/store/{plans*,embedded-postgres*}.test.ts",
  "test/rpc/parity/**/*.test.ts",
  "test/rpc/{dispatch-races,large-graphs,retries,timeouts,start-timeouts,update-timeouts,webhook-hosts,leases,server-stop,upload-tasks,follow-ups,sparse-events}.test.ts",
];

/** A file to which the results are written as JSON, besides what is printed; `.ci/run` counts from it. */
const reportFile = process.env.TEST_REPORT_FILE;

export default defineConfig({
  test: {
    globalSetup: "test/support/global-setup.ts",
    pool: "forks",
    maxWorkers: 2,
    reporters: reportFile ? ["default", ["json", { outputFile: reportFile }]] : ["default"],
    projects: [
      {
        extends: true,
        test: {
          name: "quick",
          include: ["test/**/*.test.ts"],
          exclude: longTests,
          sequence: { groupOrder: 0 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "long",
          include: longTests,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
