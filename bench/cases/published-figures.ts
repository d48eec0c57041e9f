/**
 * What limits and peers reached on the machine that the numbers of the bars come from (two shared cores, Debian 12,
 * PostgreSQL 15), as it was published earlier. What else runs on a machine weighs on each of them differently: a bar as a
 * ratio to one of these says more the more alike the work is.
 */
export const published = {
  /** ArcRun: tasks per second, one a request, 16 to 64 connections. */
  arcRunCreates: 1_900,
  /** ArcRun: tasks per second, graphs of 1,000 with two parents each, 16 connections. */
  arcRunGraphTasks: 2_800,
  /** ArcRun: reads of a task per second, 16 to 64 connections. */
  arcRunReads: 10_600,
  /** graphile-worker: no-op jobs executed and completed per second, inserted before. */
  graphileWorkerJobs: 51_000,
  /** River: start latency when idle, in ms. */
  riverStart: { p50: 2.5, p99: 4.3 },
  /** `pg` on Node: rows per second, INSERT from unnest with 1,000 rows, 4 connections. */
  unnestRows: 127_000,
  /** grpc-js: no-op calls per second, 64 in flight on one connection. */
  grpcJsCalls: 30_700,
} as const;
