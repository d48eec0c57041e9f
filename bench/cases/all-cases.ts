import type { BenchCase } from "../support/bench-case.ts";
import { chain } from "./chain.ts";
import { counts } from "./counts.ts";
import { createGraphs } from "./create-graph.ts";
import { createOne } from "./create-one.ts";
import { endedRows } from "./ended-rows.ts";
import { engine } from "./engine.ts";
import { fan } from "./fan.ts";
import { idle } from "./idle.ts";
import { read } from "./read.ts";
import { rules } from "./rules.ts";
import { startLatency } from "./start-latency.ts";
import { storage } from "./storage.ts";
import { watch } from "./watch.ts";
import { webhooks } from "./webhooks.ts";
import { work } from "./work.ts";
import { workers } from "./workers.ts";

/** Every case, in the order in which they run. */
export const allCases: readonly BenchCase[] = [
  ...[
    createOne,
    createGraphs,
    work,
    engine,
    chain,
    fan,
    rules,
    counts,
    workers,
    webhooks,
    startLatency,
    read,
    watch,
    idle,
    storage,
  ],
  endedRows,
];
