import { graphileWorker } from "./graphile-worker.ts";
import type { Peer } from "./peer.ts";
import { pgBoss } from "./pg-boss.ts";
import { river } from "./river.ts";

/** The queues that are measured beside Millpond. */
export const allPeers: readonly Peer[] = [graphileWorker, pgBoss, river];
