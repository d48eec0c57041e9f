import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createCounter, type MillpondClient, StreamCountsResponseSchema } from "@millpond/sdk";
import { expect, onTestFinished, test, vi } from "vitest";
import { until } from "../support/until.ts";

test.each([
  { how: "with an error", error: new ConnectError("not now", Code.Unavailable) },
  { how: "in good order", error: undefined },
])(
  "a stream that is answered without an acknowledgement and ends $how is made anew after longer and longer pauses",
  async ({ error }) => {
    const endsAfter = new AbortController();
    onTestFinished(() => endsAfter.abort());
    // The longest delay that may be drawn.
    vi.spyOn(Math, "random").mockReturnValue(1);
    onTestFinished(() => void vi.restoreAllMocks());
    const beganAtMs: number[] = [];
    const tasks: Pick<MillpondClient["tasks"], "streamCounts"> = {
      async *streamCounts() {
        // Whoever comes back at once comes back in the same turn of the event loop.
        await new Promise((resolve) => setImmediate(resolve));
        beganAtMs.push(performance.now());
        yield create(StreamCountsResponseSchema, { acknowledgedSequence: 0n });
        if (error) throw error;
      },
    };
    const client = { tasks: tasks as MillpondClient["tasks"] };
    const counter = createCounter({ client, signal: endsAfter.signal });
    await counter.count("5e0f3f52-3a5b-4a53-9d3f-0d7c4c0a8f11", { success: 1 });
    const pausesMs = () => beganAtMs.slice(1).map((atMs, index) => atMs - beganAtMs[index]!);
    const lasting = () => pausesMs().filter((pauseMs) => pauseMs > 500);
    await until("it comes back after longer pauses", () => lasting().length >= 2);
    // Doubling from 100 ms it has come that far by then; without a pause it would have come back thousands of times.
    expect(pausesMs().length).toBeLessThan(10);
  },
);
