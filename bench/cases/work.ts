import { allPeers } from "../peers/all-peers.ts";
import { graphileWorker } from "../peers/graphile-worker.ts";
import type { Peer } from "../peers/peer.ts";
import { type Bar, type BenchCase, type Figure, type Measured, NotRun, type Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { plainGraph } from "../support/bench-graphs.ts";
import { createsInFlight, workSeconds } from "../support/work-seconds.ts";
import { published } from "./published-figures.ts";

const kind = "bench.work";
const perCall = 1_000;
const slots = 2_000;

/** Create, execute and complete over gRPC, beside queues that a user might take instead. */
export const work: BenchCase = {
  name: "work",
  title: "Create, execute and complete over gRPC",
  about:
    "100,000 independent no-op tasks (5,000 in a quick run), created 1,000 per call with 4 calls in flight, executed by one worker of the SDK with 2,000 slots in a process of its own. " +
    "`together`: from the first create until the last report is answered, with the worker waiting. `backlog`: all are there before the worker starts. " +
    "Peers: as many no-op jobs, inserted 1,000 per call with 4 in flight, handlers and inserts in one process, with the settings that their documentation gives for many short jobs, and ANALYZE run once before they work.",
  figures: figures(),
  open,
};

function figures(): Figure[] {
  // What graphile-worker reached there was without the time of its inserts.
  const beside = [{ of: `${graphileWorker.id}-backlog`, value: published.graphileWorkerJobs }];
  const bar: Bar = { kind: "value", value: 30_000, beside };
  const ours = { unit: "tasks/s", better: "more" } as const;
  const theirs = { unit: "jobs/s", better: "more" } as const;
  const peers = (phase: string) => allPeers.map(({ id }) => `${id}-${phase}`);
  return [
    { id: "together", title: "Millpond, together", ...ours, bar, against: peers("together") },
    { id: "backlog", title: "Millpond, backlog", ...ours, against: peers("backlog") },
    ...["together", "backlog"].flatMap((phase) =>
      allPeers.map(({ id, title }): Figure => ({ id: `${id}-${phase}`, title: `${title}, ${phase}`, ...theirs })),
    ),
    ...allPeers.map(({ id, title }): Figure => ({ id: `${id}-insert`, title: `${title}, insert alone`, ...theirs })),
  ];
}

async function open(context: BenchContext): Promise<Part[]> {
  const tasks = context.size(100_000, 5_000);
  const warmUp = context.size(10_000, 1_000);
  const ours = (backlog: boolean): Part => ({
    name: `Millpond, ${backlog ? "backlog" : "together"}`,
    measure: async () => {
      const request = plainGraph({ tasks: perCall, kind, payload: "small" }).toRequest();
      const amount = { tasks, warmUp: backlog ? 0 : warmUp, backlog };
      const seconds = await workSeconds(context, { request, kind, slots, ...amount });
      return { [backlog ? "backlog" : "together"]: tasks / seconds };
    },
  });
  const peer = (each: Peer, backlog: boolean): Part => ({
    name: `${each.title}, ${backlog ? "backlog" : "together"}`,
    measure: () => peerRate(context, each, { tasks, warmUp, backlog }),
  });
  return [false, true].flatMap((backlog) => [ours(backlog), ...allPeers.map((each) => peer(each, backlog))]);
}

interface Amount {
  readonly tasks: number;
  readonly warmUp: number;
  readonly backlog: boolean;
}

async function peerRate(context: BenchContext, peer: Peer, amount: Amount): Promise<Measured> {
  const { tasks, warmUp, backlog } = amount;
  const result = await peer.run<{ seconds: number; insertSeconds: number }>(context, {
    ...{ mode: "throughput", jobs: tasks, perInsert: perCall, insertsInFlight: createsInFlight, warmUp, backlog },
  });
  const id = `${peer.id}-${backlog ? "backlog" : "together"}`;
  if (result instanceof NotRun) return { [id]: result, ...(backlog && { [`${peer.id}-insert`]: result }) };
  return { [id]: tasks / result.seconds, ...(backlog && { [`${peer.id}-insert`]: tasks / result.insertSeconds }) };
}
