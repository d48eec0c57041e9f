import { packageVersion } from "../support/package-version.ts";
import { createPeer } from "./peer.ts";

/** pg-boss in batches of 1,000. */
export const pgBoss = createPeer({
  id: "pgboss",
  title: `pg-boss ${packageVersion("pg-boss")}`,
  prepare: async () => ({ module: "peer-pg-boss" }),
});
