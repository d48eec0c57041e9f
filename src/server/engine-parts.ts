import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { createCountAccumulator } from "../commands/add-counts.ts";
import { releaseClaims } from "../commands/claim-tasks.ts";
import type { CountFlush } from "../commands/count-accumulator.ts";
import type { Engine } from "../commands/engine.ts";
import { createGraphGroups } from "../commands/group-creates.ts";
import { LogGroups } from "../commands/group-logs.ts";
import { createReportGroups } from "../commands/group-reports.ts";
import { LeaseGroups } from "../commands/keep-leases.ts";
import type { WriteDeps } from "../commands/write-deps.ts";
import type { Settings } from "../config/settings.ts";
import { AttemptWatch } from "../dispatch/attempt-watch.ts";
import { ClaimLine } from "../dispatch/claim-line.ts";
import { WaitingWorkers } from "../dispatch/waiting-workers.ts";
import { WorkerRoster } from "../dispatch/worker-roster.ts";
import { IdSource } from "../domain/ids.ts";
import { CommitSignal } from "../events/commit-signal.ts";
import { Feed } from "../events/feed.ts";
import { LogFollowers } from "../events/log-followers.ts";
import type { Loop } from "../lib/loop.ts";
import {
  createFollowUpLoop,
  createLogLoop,
  createProducerLoop,
  createRequestLoop,
  createRuleLoops,
  createTimerLoop,
} from "../maintenance/loops.ts";
import { Database } from "../store/database.ts";
import { DedupeShapes } from "../store/dedupe-shapes.ts";
import { Dictionaries } from "../store/dictionaries.ts";
import { Flows } from "../store/flows.ts";
import { GivenTasks } from "../store/given-tasks.ts";
import { drawIdBlocks } from "../store/id-blocks.ts";
import { Lanes } from "../store/lanes.ts";
import { RetryPolicies } from "../store/retry-policies.ts";
import type { RuleFigures } from "../store/rule-figures.ts";
import { SharedSpecs } from "../store/shared-specs.ts";
import { Turns } from "../store/turns.ts";
import { HostBreakers } from "../webhooks/host-breakers.ts";

const namespaceId = 1;
const feedPollMs = 1_000;
const claimPollMs = 1_000;
const claimWaitersMax = 10_000;
const connectTimeoutMs = 5_000;

/** The engine of a server and the loops around it, built and not yet started. */
export interface EngineParts {
  readonly db: Database;
  readonly engine: Engine;
  readonly feed: Feed;
  readonly signal: CommitSignal;
  readonly workers: WaitingWorkers;
  readonly claimLine: ClaimLine;
  /** Of workers with streams: their attempts, and their leases. */
  readonly attempts: AttemptWatch;
  readonly leases: LeaseGroups;
  readonly roster: WorkerRoster;
  readonly logFollowers: LogFollowers;
  /** Which hosts webhooks do not reach. */
  readonly breakers: HostBreakers;
  readonly maintenance: readonly Loop[];
  /** How long the oldest timer is overdue. */
  readonly timerLagSeconds: () => number;
  /** What rules hold up. */
  readonly ruleFigures: () => RuleFigures;
}

/** Builds the engine. `onError` hears of steps of loops that failed and will be tried again. */
export function createEngineParts(options: {
  readonly settings: Settings;
  readonly databaseUrl: string;
  readonly logger: Logger;
  readonly onError: (loop: string) => (error: unknown) => void;
  readonly onHandOut?: (from: "commit" | "queue", tasks: number) => void;
  readonly onLogLines?: (kept: number, dropped: number) => void;
  readonly onCounts?: (flush: CountFlush) => void;
  readonly onHostOpened?: () => void;
  readonly onUnblocked?: (waitsMs: readonly number[]) => void;
}): EngineParts {
  const { settings, databaseUrl, logger, onError, onHandOut = () => {}, onLogLines = () => {} } = options;
  const { onCounts = () => {}, onHostOpened = () => {}, onUnblocked = () => {} } = options;
  const db = new Database({
    ...{ url: databaseUrl, writers: settings.databaseWriters, readers: settings.databaseReaders, connectTimeoutMs },
    onError: (error) => logger.warn({ err: error }, "an idle connection to the database broke"),
  });
  const dictionaries = new Dictionaries(db);
  const signal = new CommitSignal({ db, serverId: randomUUID(), onError: onError("commit signal") });
  const ids = new IdSource({ nowMs: Date.now, drawBlocks: (count) => drawIdBlocks(db, count) });
  const [retryPolicies, dedupeShapes, lanes] = [new RetryPolicies(db), new DedupeShapes(db), new Lanes(db)];
  const workers = new WaitingWorkers({
    ...{ dictionaries, namespaceId, waitersMax: claimWaitersMax },
    onHandOut,
    release: (tasks) => releaseClaims(engine, tasks),
    onChange: () => claimLine.serve(),
  });
  const writes: WriteDeps = {
    db,
    committed: (queues) => signal.committed(queues),
    places: workers,
    given: new GivenTasks(),
  };
  const logs = new LogGroups({
    ...{ db, onLines: onLogLines, onAppended: (tasks) => signal.logged(tasks) },
    bounds: { linesMax: settings.logLinesMax, bytesMax: settings.logBytesMax },
  });
  const engine: Engine = {
    ...{ ...writes, dictionaries, retryPolicies, dedupeShapes, lanes, ids, namespaceId },
    ...{ flows: new Flows(db), turns: new Turns(), sharedSpecs: new SharedSpecs() },
    ...{ creates: createGraphGroups(writes), reports: createReportGroups(writes), logs },
    counts: createCountAccumulator(
      { ...writes, namespaceId },
      { itemsMax: settings.countsWaitingMax, onFlush: onCounts, onRetry: onError("counts") },
    ),
  };
  const feed = new Feed({
    ...{ db, bufferedChangesMax: settings.feedBufferEvents, pollMs: feedPollMs },
    onError: onError("feed"),
  });
  const claimLine = new ClaimLine({
    ...{ engine, workers, pollMs: claimPollMs },
    onError: onError("claims"),
  });
  const { workerHeartbeatMs: heartbeatMs } = settings;
  const streams = {
    attempts: new AttemptWatch({ engine, onError: onError("attempts") }),
    leases: new LeaseGroups({ engine, leaseMs: heartbeatMs * 2 }),
    roster: new WorkerRoster({ db, namespaceId, heartbeatMs, onError: onError("workers") }),
  };
  const logFollowers = new LogFollowers({ db, namespaceId, onError: onError("log followers") });
  const timers = createTimerLoop({ engine, onError: onError("timers") });
  signal.onTimers(() => timers.loop.wake());
  const rules = createRuleLoops({ engine, onUnblocked, onError });
  const maintenance = [
    timers.loop,
    createFollowUpLoop({ engine, onError: onError("follow-ups") }),
    createRequestLoop({ engine, onError: onError("requests") }),
    createLogLoop({ engine, onError: onError("logs"), keepMs: settings.logRetentionMs }),
    createProducerLoop({ engine, onError: onError("producers") }),
    ...rules.loops,
  ];
  const breakers = new HostBreakers({
    onChange: ({ host, isOpen }) => {
      if (isOpen) onHostOpened();
      if (isOpen)
        logger.warn({ host }, "webhooks do not reach a host: it is left alone, and tried by one call at a time");
      else logger.info({ host }, "webhooks reach a host again");
    },
  });
  return {
    ...{ breakers },
    ...{ db, engine, feed, signal, workers, claimLine, ...streams, logFollowers, maintenance },
    ...{ timerLagSeconds: timers.lagSeconds, ruleFigures: rules.figures },
  };
}
