/** PeerJob is what a peer's program does. That of River reads the same. */
export type PeerJob = PeerThroughputJob | PeerLatencyJob;

/** No-op jobs, from their insert until all are completed. */
export interface PeerThroughputJob {
  readonly url: string;
  readonly mode: "throughput";
  readonly jobs: number;
  readonly perInsert: number;
  readonly insertsInFlight: number;
  /** Jobs that are executed before and not measured; none with a backlog. */
  readonly warmUp: number;
  /** Whether the workers start only when all jobs are there; what is measured begins with them. */
  readonly backlog: boolean;
}

/** Single jobs for a worker that waits: from the answer to the insert until the handler is called. */
export interface PeerLatencyJob {
  readonly url: string;
  readonly mode: "latency";
  readonly samples: number;
  readonly warmUp: number;
  readonly pauseMinMs: number;
  readonly pauseMaxMs: number;
}

/** PeerQueue is a peer, ready for jobs. */
export interface PeerQueue {
  /** Inserts so many no-op jobs in one call. */
  insert(jobs: number): Promise<unknown>;
  /** Gives PostgreSQL the statistics that autovacuum gives it where jobs come and go for longer than a benchmark. */
  analyze(): Promise<unknown>;
  /** Starts its worker, which calls back with the number of jobs that have begun. */
  work(mode: PeerJob["mode"], onBegun: (jobs: number) => void): Promise<void>;
  /** Resolves when what has begun is completed in the database. */
  completed(): Promise<void>;
}
