import type { BenchCase, Figure, Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { prepareEndedTasks } from "../support/ended-tasks.ts";
import { engineRate } from "./engine.ts";

const shapes = ["independent", "layered"] as const;
type Shape = (typeof shapes)[number];

/** Whether a long history slows what is new. */
export const endedRows: BenchCase = {
  name: "ended-rows",
  title: "With millions of ended tasks",
  about:
    "The load of the case `engine` in a database that holds 5,000,000 ended tasks (`--ended`; 200,000 in a quick run), and in an empty one, in turns.",
  figures: shapes.flatMap(figuresOf),
  async open(context) {
    const full = await context.createDatabase("full");
    await prepareEndedTasks(context, full, context.options.ended);
    return shapes.flatMap((shape): Part[] => [
      {
        name: `engine, ${shape}, many ended tasks`,
        measure: async () => ({ [`${shape}-full`]: await rate(context, full, shape) }),
      },
      {
        name: `engine, ${shape}, empty`,
        measure: () =>
          context.withDatabase("empty", async (empty) => ({ [`${shape}-empty`]: await rate(context, empty, shape) })),
      },
    ]);
  },
};

function figuresOf(shape: Shape): Figure[] {
  const empty = `${shape}-empty`;
  const unit = { unit: "tasks/s", better: "more" } as const;
  return [
    {
      ...{ id: `${shape}-full`, title: `${shape}, many ended tasks`, ...unit, against: [empty] },
      bar: { kind: "share", of: empty, times: 0.9 },
    },
    { id: empty, title: `${shape}, empty`, ...unit },
  ];
}

function rate(context: BenchContext, databaseUrl: string, shape: Shape): Promise<number> {
  return engineRate(context, { databaseUrl, shape, tasks: context.size(100_000, 10_000) });
}
