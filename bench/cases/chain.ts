import type { SdkChainJob } from "../programs/sdk-chain.ts";
import type { BenchCase } from "../support/bench-case.ts";

/** A chain of tasks, hop by hop. */
export const chain: BenchCase = {
  name: "chain",
  title: "A chain of 400 tasks",
  about:
    "One worker of the SDK with one slot: from the end of a task's handler, which sends its report, to the call of the next one's handler.",
  figures: [
    { id: "p50", title: "per hop, p50", unit: "ms", better: "less", bar: { kind: "value", value: 3 } },
    { id: "p99", title: "per hop, p99", unit: "ms", better: "less", bar: { kind: "value", value: 8 } },
  ],
  async open(context) {
    const { url } = await context.startServer(await context.createDatabase("server"));
    const [length, warmUp] = [context.size(400, 50), context.size(100, 10)];
    const job: SdkChainJob = { url, length, warmUp, order: "dependencies" };
    const measure = async () => {
      const { p50, p99 } = await context.run<{ p50: number; p99: number }>("sdk-chain", job);
      return { p50, p99 };
    };
    return [{ name: "Millpond", measure }];
  },
};
