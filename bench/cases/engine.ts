import { rawInsertRate } from "../limits/raw-insert.ts";
import type { EngineLoadJob } from "../programs/engine-load.ts";
import type { BenchCase, Figure, Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { checkAllSucceeded } from "../support/check-all-succeeded.ts";
import { published } from "./published-figures.ts";

type Shape = EngineLoadJob["shape"];

/** Create, claim and complete without the wire. */
export const engine: BenchCase = {
  name: "engine",
  title: "Create, execute and complete without the wire",
  about:
    "The engine's commands called in one process, with the feed that a server has: batches of 1,000, three created at the same time, and eight workers that wait for up to 1,000 tasks each, and for the next ones while their reports are on the way, as workers of the SDK do; every task is created, started and succeeds. " +
    "Layered: graphs of 1,000 tasks in 10 layers, two parents each.",
  figures: figures(),
  open,
};

function figures(): Figure[] {
  const shape = (id: Shape, title: string, value: number): Figure => ({
    ...{ id, title, unit: "tasks/s", better: "more", against: ["raw4"] },
    bar: { kind: "value", value, beside: [{ of: "raw4", value: published.unnestRows }] },
  });
  return [
    shape("independent", "independent tasks", 80_000),
    shape("layered", "layered graphs", 45_000),
    { id: "raw4", title: "limit: INSERT from unnest, 1,000 rows, 4 connections", unit: "rows/s", better: "more" },
  ];
}

async function open(context: BenchContext): Promise<Part[]> {
  const engines = (["independent", "layered"] as const).map(
    (shape): Part => ({
      name: `engine, ${shape}`,
      measure: () =>
        context.withDatabase(shape, async (databaseUrl) => {
          const rate = await engineRate(context, { databaseUrl, shape, tasks: context.size(200_000, 10_000) });
          await checkAllSucceeded(databaseUrl);
          return { [shape]: rate };
        }),
    }),
  );
  const limit = () =>
    context.withDatabase("raw", async (url) => ({
      raw4: await rawInsertRate(context, { url, connections: 4, rowsPerStatement: 1_000 }),
    }));
  return [...engines, { name: "INSERT from unnest, 4 connections", measure: limit }];
}

/** engineRate is how many tasks per second the engine creates and executes. */
export async function engineRate(
  context: BenchContext,
  load: Pick<EngineLoadJob, "databaseUrl" | "shape" | "tasks">,
): Promise<number> {
  const job: EngineLoadJob = {
    ...load,
    ...{ batchSize: 1_000, creators: 3, workers: 8, openMax: load.shape === "layered" ? 16_000 : 4_000 },
  };
  const { tasks, seconds } = await context.runEngine<{ tasks: number; seconds: number }>("engine-load", job);
  return tasks / seconds;
}
