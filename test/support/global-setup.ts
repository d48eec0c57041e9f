import type { TestProject } from "vitest/node";
import { createTemplateDatabase } from "./template-database.ts";
import { startTestPostgres } from "./test-postgres.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The PostgreSQL of this run, and the migrated template that `createTestDatabase` clones. */
    postgres: { url: string; template: string };
  }
}

/** Starts PostgreSQL and migrates the template database, once for a whole run of Vitest; returns what undoes it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startTestPostgres();
  try {
    const template = await createTemplateDatabase(postgres.url);
    project.provide("postgres", { url: postgres.url, template: template.name });
    return () => template.drop().finally(postgres.stop);
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
