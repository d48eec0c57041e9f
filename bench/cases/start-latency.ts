import { allPeers } from "../peers/all-peers.ts";
import type { Peer } from "../peers/peer.ts";
import { river } from "../peers/river.ts";
import type { SdkStartLatencyJob } from "../programs/sdk-start-latency.ts";
import { type Bar, type BenchCase, type Figure, type Measured, NotRun } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { published } from "./published-figures.ts";

const pauseMs = { min: 10, max: 40 };

/** How soon a single task starts on an idle system. */
export const startLatency: BenchCase = {
  name: "start-latency",
  title: "Start of a single task when idle",
  about:
    "200 tasks (30 in a quick run), one by one with pauses of 10 to 40 ms: from the answer to the create until the handler of a waiting worker is called. " +
    "Peers: from the answer to the insert.",
  figures: figures(),
  async open(context) {
    const { url } = await context.startServer(await context.createDatabase("server"));
    const [samples, warmUp] = [context.size(200, 30), context.size(50, 5)];
    const job: SdkStartLatencyJob = { url, samples, warmUp, pauseMs };
    const measure = async () => {
      const { p50, p99 } = await context.run<{ p50: number; p99: number }>("sdk-start-latency", job);
      return { p50, p99 };
    };
    const peers = allPeers.map((peer) => ({
      name: peer.title,
      measure: () => peerLatency(context, peer, { samples, warmUp }),
    }));
    return [{ name: "Millpond", measure }, ...peers];
  },
};

function figures(): Figure[] {
  const unit = { unit: "ms", better: "less" } as const;
  const bar = (which: "p50" | "p99", value: number): Bar => ({
    ...{ kind: "value", value, beside: [{ of: `${river.id}-${which}`, value: published.riverStart[which] }] },
  });
  const peers = (which: string) => allPeers.map(({ id }) => `${id}-${which}`);
  return [
    { id: "p50", title: "Millpond, p50", ...unit, bar: bar("p50", 2.5), against: peers("p50") },
    { id: "p99", title: "Millpond, p99", ...unit, bar: bar("p99", 5), against: peers("p99") },
    ...allPeers.flatMap(({ id, title }) =>
      ["p50", "p99"].map((which): Figure => ({ id: `${id}-${which}`, title: `${title}, ${which}`, ...unit })),
    ),
  ];
}

async function peerLatency(
  context: BenchContext,
  peer: Peer,
  amount: { readonly samples: number; readonly warmUp: number },
): Promise<Measured> {
  const result = await peer.run<{ p50: number; p99: number }>(context, {
    ...{ mode: "latency", ...amount, pauseMinMs: pauseMs.min, pauseMaxMs: pauseMs.max },
  });
  const [p50, p99] = result instanceof NotRun ? [result, result] : [result.p50, result.p99];
  return { [`${peer.id}-p50`]: p50, [`${peer.id}-p99`]: p99 };
}
