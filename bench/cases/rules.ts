import type { TaskOptions } from "@millpond/sdk";
import type { SdkChainJob } from "../programs/sdk-chain.ts";
import type { SdkSaturatedJob } from "../programs/sdk-saturated.ts";
import type { SdkStartLatencyJob } from "../programs/sdk-start-latency.ts";
import type { Bar, BenchCase, Figure, Measured, Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { ruledGraph, tenants } from "../support/bench-graphs.ts";
import { checkAllSucceeded } from "../support/check-all-succeeded.ts";
import { workSeconds } from "../support/work-seconds.ts";

const kind = "bench.rules";
const perCall = 1_000;
const slots = 1_000;
/** Never reached. */
const wide = 1_000_000;
const holders = 50;
const handlerMs = 100;
const startsPerSecond = 500;
const blocked = { full: 100_000, quick: 5_000 };
/** What they let through at most, per second. */
const possible = { holders: holders / (handlerMs / 1000), rate: startsPerSecond };

type Rules = NonNullable<TaskOptions["rules"]>;

/** How many rules a task has, and what their keys are made of. */
const sets = [0, 1, 3, 10].flatMap((count) =>
  (count === 0 ? (["one key"] as const) : (["one key", "100 keys"] as const)).map((keys) => ({
    ...{ id: count === 0 ? "none" : `${count}-${keys === "one key" ? "shared" : "tenant"}`, count, keys },
    title: `${count} ${count === 1 ? "rule" : "rules"}${count === 0 ? "" : `, ${keys} each`}`,
  })),
);

/** What limits on starts cost, and how near to them it comes. */
export const rules: BenchCase = {
  name: "rules",
  title: "What rules cost",
  about:
    `50,000 independent no-op tasks (3,000 in a quick run), created 1,000 per call with 4 calls in flight, executed by a waiting worker of the SDK with 1,000 slots, as \`together\` of \`work\`; each with 0, 1, 3 or 10 rules of ` +
    `concurrency whose bound is never reached, over one key for all tasks each, or over ${tenants} keys each, by a field of metadata. Saturated: a backlog under one rule that is always full, by starts per second: ` +
    `of ${holders} holders with handlers of ${handlerMs} ms, which lets through ${possible.holders} tasks/s at most, and of ${startsPerSecond} starts per second. Hand-over: of a rule of 1, for a worker with two slots, ` +
    "from the end of a handler to the call of the next one's; a chain of as many tasks, for a worker with one slot, beside it. Behind blocked ones: from the answer to the create of a single task until a waiting worker's handler is called, " +
    "while a full rule holds back 100,000 tasks (5,000 in a quick run) of higher priority and the same kind.",
  figures: figures(),
  open,
};

function figures(): Figure[] {
  const rate = { unit: "tasks/s", better: "more" } as const;
  const hop = { unit: "ms", better: "less" } as const;
  const least = (value: number): Bar => ({ kind: "value", value: value * 0.8 });
  return [
    ...sets.map(
      ({ id, title, count }): Figure => ({
        ...{ id, title, ...rate, ...(count > 0 && { against: ["none"] }) },
        ...(count === 3 && { bar: { kind: "share", of: "none", times: 0.9 } }),
      }),
    ),
    { id: "holders", title: `saturated, ${holders} holders`, ...rate, bar: least(possible.holders) },
    { id: "rate", title: `saturated, ${startsPerSecond} starts per second`, ...rate, bar: least(possible.rate) },
    ...["p50", "p99"].flatMap((which): Figure[] => [
      {
        ...{ id: `hand-over-${which}`, title: `hand-over by a rule of 1, ${which}`, ...hop },
        ...{ bar: { kind: "share", of: `chain-${which}`, times: 2 }, against: [`chain-${which}`] },
      },
      { id: `chain-${which}`, title: `hop of a chain, ${which}`, ...hop },
      {
        ...{ id: `behind-${which}`, title: `start behind ${blocked.full} blocked ones, ${which}`, ...hop },
        ...(which === "p99" && { bar: { kind: "value", value: 100 } as const }),
      },
    ]),
  ];
}

async function open(context: BenchContext): Promise<Part[]> {
  const saturated = (id: "holders" | "rate", title: string, job: Omit<SdkSaturatedJob, "url">): Part => ({
    name: `saturated, ${title}`,
    measure: async () => ({ [id]: await startRate(context, job) }),
  });
  const seconds = context.size(10, 2);
  const amount = (perSecond: number) => ({ warmUp: perSecond, tasks: perSecond * seconds });
  return [
    ...sets.map((set) => uncontended(context, set)),
    saturated("holders", "holders", {
      ...{ slots: holders * 2, handlerMs, limit: { holders }, ...amount(possible.holders) },
    }),
    saturated("rate", "rate", { slots, handlerMs: 0, limit: { startsPerSecond }, ...amount(startsPerSecond) }),
    await handOver(context, "rule", "hand-over"),
    await handOver(context, "dependencies", "chain"),
    { name: "start behind blocked ones", measure: () => startBehind(context) },
  ];
}

function uncontended(context: BenchContext, { id, title, count, keys }: (typeof sets)[number]): Part {
  const fields = keys === "one key" ? [] : ["tenant"];
  const own: Rules = Array.from({ length: count }, (_, n) => ({
    ...{ name: `rule ${n}`, matcher: { kind: `${kind}.${n}`, fields } },
    limit: { case: "maxConcurrency", value: wide },
  }));
  const request = ruledGraph({ tasks: perCall, kind, rules: own }).toRequest();
  const [tasks, warmUp] = [context.size(50_000, 3_000), context.size(10_000, 1_000)];
  const measure = async () => {
    const taken = await workSeconds(context, { request, kind, slots, tasks, warmUp, backlog: false });
    return { [id]: tasks / taken };
  };
  return { name: title, measure };
}

async function startRate(context: BenchContext, job: Omit<SdkSaturatedJob, "url">): Promise<number> {
  return await context.withDatabase("server", async (databaseUrl) => {
    const server = await context.startServer(databaseUrl);
    const { rate } = await context.run<{ rate: number }>("sdk-saturated", { url: server.url, ...job });
    await checkAllSucceeded(databaseUrl);
    await server.stop();
    return rate;
  });
}

async function startBehind(context: BenchContext): Promise<Measured> {
  return await context.withDatabase("server", async (databaseUrl) => {
    const server = await context.startServer(databaseUrl);
    const job: SdkStartLatencyJob = {
      ...{
        url: server.url,
        samples: context.size(200, 30),
        warmUp: context.size(50, 5),
        pauseMs: { min: 10, max: 40 },
      },
      blocked: context.size(blocked.full, blocked.quick),
    };
    const { p50, p99 } = await context.run<{ p50: number; p99: number }>("sdk-start-latency", job);
    await server.stop();
    return { "behind-p50": p50, "behind-p99": p99 };
  });
}

async function handOver(context: BenchContext, order: SdkChainJob["order"], id: string): Promise<Part> {
  const [length, warmUp] = [context.size(400, 50), context.size(100, 10)];
  const measure = async () =>
    await context.withDatabase("server", async (databaseUrl) => {
      const server = await context.startServer(databaseUrl);
      const job: SdkChainJob = { url: server.url, length, warmUp, order };
      const { p50, p99 } = await context.run<{ p50: number; p99: number }>("sdk-chain", job);
      await checkAllSucceeded(databaseUrl);
      await server.stop();
      return { [`${id}-p50`]: p50, [`${id}-p99`]: p99 };
    });
  return { name: order === "rule" ? "hand-over by a rule" : "hop of a chain", measure };
}
