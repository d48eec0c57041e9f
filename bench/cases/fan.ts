import type { SdkFanJob } from "../programs/sdk-fan.ts";
import type { BenchCase } from "../support/bench-case.ts";

/** One task, then ten thousand, then one. */
export const fan: BenchCase = {
  name: "fan",
  title: "Fan-out and fan-in: 1 → 10,000 → 1",
  about:
    "From the answer to the create until the last report is answered and the batch is SUCCESS; one worker of the SDK with 1,000 slots, waiting (500 tasks in the middle in a quick run).",
  figures: [{ id: "seconds", title: "whole batch", unit: "s", better: "less", bar: { kind: "value", value: 1 } }],
  async open(context) {
    const { url } = await context.startServer(await context.createDatabase("server"));
    const job: SdkFanJob = { url, width: context.size(10_000, 500), slots: 1_000 };
    const measure = async () => {
      const { seconds } = await context.run<{ seconds: number }>("sdk-fan", job);
      return { seconds };
    };
    return [{ name: "Millpond", measure }];
  },
};
