import type { SdkChainJob } from "../programs/sdk-chain.ts";
import type { WebhookLoadJob } from "../programs/webhook-load.ts";
import type { Bar, BenchCase, Figure, Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";

const hosts = 10;
const stalledMs = 10_000;
const loopback = { MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "true" };
const loads = ["starts", "deliveries"] as const;

/** Calls of webhooks per second, what one host that stalls costs the others, and how soon a start follows. */
export const webhooks: BenchCase = {
  name: "webhooks",
  title: "Webhooks",
  about:
    `Tasks with start webhooks (20,000; 1,000 in a quick run), created 1,000 per call with 4 calls in flight, which lead to ${hosts} receivers that do nothing; by calls per second to nine of them, from the first create on. ` +
    `Starts: the answer ends the task. Deliveries: an on_success for each task, whose start call is not counted but made by the same server. One stalled: the tenth answers nothing for ${stalledMs / 1000} s from its first call on. ` +
    "Chain: 500 tasks one after the other, of which the first hundred do not count; from the sending of a parent's success report, by the handle, to the arrival of its child's start call; beside it the hop of a worker, as in the case `chain`.",
  figures: figures(),
  async open(context) {
    return [
      ...loads.flatMap((what) => [loadPart(context, what, false), loadPart(context, what, true)]),
      chainPart(context),
      workerPart(context),
    ];
  },
};

function figures(): Figure[] {
  const rate = { unit: "calls/s", better: "more" } as const;
  const hop = { unit: "ms", better: "less" } as const;
  return [
    ...loads.flatMap((what): Figure[] => {
      const bar: Bar = { kind: "share", of: what, times: 0.9 };
      return [
        { id: what, title: what, ...rate },
        { id: `${what}-stalled`, title: `${what}, one of ten stalled`, ...rate, against: [what], bar },
      ];
    }),
    ...["p50", "p99"].flatMap((which): Figure[] => [
      { id: `hop-${which}`, title: `report to start call, ${which}`, ...hop, against: [`worker-${which}`] },
      { id: `worker-${which}`, title: `hop of a worker, ${which}`, ...hop },
    ]),
  ];
}

function loadPart(context: BenchContext, what: (typeof loads)[number], isStalled: boolean): Part {
  const job = { what, hosts, tasks: context.size(20_000, 1_000), stalledMs: isStalled ? stalledMs : 0 };
  return {
    name: isStalled ? `${what}, one stalled` : what,
    measure: async () => {
      const { rate } = await measure<{ rate: number }>(context, job);
      return { [isStalled ? `${what}-stalled` : what]: rate };
    },
  };
}

function chainPart(context: BenchContext): Part {
  const job = { what: "chain", hosts: 1, tasks: context.size(500, 60), stalledMs: 0 } as const;
  return {
    name: "chain",
    measure: async () => {
      const { p50, p99 } = await measure<{ p50: number; p99: number }>(context, job);
      return { "hop-p50": p50, "hop-p99": p99 };
    },
  };
}

function workerPart(context: BenchContext): Part {
  const job = { length: context.size(400, 50), warmUp: context.size(100, 10), order: "dependencies" } as const;
  return {
    name: "chain of a worker",
    measure: () =>
      withServer(context, async (url) => {
        const chain: SdkChainJob = { url, ...job };
        const { p50, p99 } = await context.run<{ p50: number; p99: number }>("sdk-chain", chain);
        return { "worker-p50": p50, "worker-p99": p99 };
      }),
  };
}

function measure<Line extends object>(context: BenchContext, job: Omit<WebhookLoadJob, "url">): Promise<Line> {
  return withServer(context, (url) => context.run("webhook-load", { url, ...job }) as Promise<Line>);
}

function withServer<T>(context: BenchContext, use: (url: string) => Promise<T>): Promise<T> {
  return context.withDatabase("server", async (databaseUrl) => {
    const server = await context.startServer(databaseUrl, loopback);
    const used = await use(server.url);
    await server.stop();
    return used;
  });
}
