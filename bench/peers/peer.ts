import type { PeerJob } from "../programs/peer-job.ts";
import { NotRun } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import type { ProgramLine, ProgramSource } from "../support/program.ts";

/** A job without the database that it is to use. */
type WithoutUrl<Job> = Job extends PeerJob ? Omit<Job, "url"> : never;

/** Peer is a queue that a user might take instead. */
export interface Peer {
  /** As ids of figures begin. */
  readonly id: string;
  readonly title: string;
  /** Does a job on an empty database, in a process of its own; NotRun when it cannot be had here. */
  run<Line extends ProgramLine>(context: BenchContext, job: WithoutUrl<PeerJob>): Promise<Line | NotRun>;
}

/** createPeer makes a peer from the program that runs it, which `prepare` may have to build first. */
export function createPeer(options: {
  readonly id: string;
  readonly title: string;
  readonly prepare: (context: BenchContext) => Promise<ProgramSource | NotRun>;
}): Peer {
  const { id, title, prepare } = options;
  return {
    ...{ id, title },
    async run<Line extends ProgramLine>(context: BenchContext, job: WithoutUrl<PeerJob>): Promise<Line | NotRun> {
      const source = await prepare(context);
      if (source instanceof NotRun) return source;
      return context.withDatabase(id, (url) => context.runSource<Line>(source, { ...job, url }));
    },
  };
}
