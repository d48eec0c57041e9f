import { packageVersion } from "../support/package-version.ts";
import { createPeer } from "./peer.ts";

/** graphile-worker with its local queue and completions in batches. */
export const graphileWorker = createPeer({
  id: "graphile",
  title: `graphile-worker ${packageVersion("graphile-worker")}`,
  prepare: async () => ({ module: "peer-graphile-worker" }),
});
