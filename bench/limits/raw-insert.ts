import type { RawPostgresJob } from "../programs/raw-postgres.ts";
import type { BenchContext } from "../support/bench-context.ts";

/** rawInsertRate is how many rows of twelve columns PostgreSQL takes per second, each statement a durable commit. */
export async function rawInsertRate(
  context: BenchContext,
  job: Pick<RawPostgresJob, "url" | "connections" | "rowsPerStatement">,
): Promise<number> {
  const whole: RawPostgresJob = { ...job, measureMs: context.size(3_000, 300) };
  const { rows, seconds } = await context.run<{ rows: number; seconds: number }>("raw-postgres", whole);
  return rows / seconds;
}
