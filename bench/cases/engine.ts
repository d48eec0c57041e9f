import type { EngineLoadJob } from "../programs/engine-load.ts";
import type { BenchCase, Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { checkAllSucceeded } from "../support/check-all-succeeded.ts";

/** Create, claim and complete without the wire. */
export const engine: BenchCase = {
  name: "engine",
  title: "Create, execute and complete without the wire",
  about:
    "The engine's commands called in one process, with the feed that a server has: batches of 1,000, four at the same time; every task is created, claimed and succeeds. " +
    "Layered: graphs of 1,000 tasks in 10 layers, two parents each.",
  figures: [
    {
      ...{ id: "independent", title: "independent tasks", unit: "tasks/s", better: "more" },
      bar: { kind: "value", value: 80_000 },
    },
    { id: "layered", title: "layered graphs", unit: "tasks/s", better: "more", bar: { kind: "value", value: 45_000 } },
  ],
  async open(context) {
    return (["independent", "layered"] as const).map(
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
  },
};

/** engineRate is how many tasks per second the engine creates and executes. */
export async function engineRate(
  context: BenchContext,
  load: Pick<EngineLoadJob, "databaseUrl" | "shape" | "tasks">,
): Promise<number> {
  const job: EngineLoadJob = {
    ...load,
    ...{ batchSize: 1_000, concurrency: 4, openMax: load.shape === "layered" ? 16_000 : 4_000 },
  };
  const { tasks, seconds } = await context.runEngine<{ tasks: number; seconds: number }>("engine-load", job);
  return tasks / seconds;
}
