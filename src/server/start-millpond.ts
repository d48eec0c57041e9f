import { createValidator } from "@bufbuild/protovalidate";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { Settings } from "../config/settings.ts";
import { attemptsWake, deliveriesWake } from "../domain/delivery.ts";
import { createIdCodec } from "../domain/ids.ts";
import type { ReadyQueues } from "../events/commit-signal.ts";
import { EventReader } from "../events/event-reader.ts";
import { WatchSource } from "../events/watch-source.ts";
import { createTaskReads } from "../queries/get-task.ts";
import { toConnectError } from "../rpc/errors.ts";
import type { RpcDeps } from "../rpc/rpc-deps.ts";
import { registerServices } from "../rpc/services.ts";
import { UploadBudget } from "../rpc/upload-budget.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import { readInstance, type SharedSecrets } from "../store/instance.ts";
import { pingDatabase } from "../store/ping.ts";
import { createUrlGuard } from "../webhooks/url-guard.ts";
import { SpecFieldsCache } from "../wire/spec-fields.ts";
import { createEngineMetrics, type EngineMetrics } from "./engine-metrics.ts";
import { createEngineParts, type EngineParts } from "./engine-parts.ts";
import { createMetricsRegistry } from "./rpc-metrics.ts";
import { registerRuleMetrics } from "./rule-metrics.ts";
import { type RunningServer, startServer } from "./start-server.ts";
import { createTaskHandleRoute } from "./task-handle-route.ts";
import { registerWatchMetrics } from "./watch-metrics.ts";
import { createWebhooks } from "./webhooks.ts";

const checkpointMs = 10_000;
/** How much of their greatest age streams may end before it. */
const streamAgeSpread = 0.1;
/** How long what a stopping server stands on may take to end once the grace is over. */
const stopSlackMs = 2_000;
/** The part of the grace in which workers with attempts may report; the rest is for their streams to end. */
const workerDrainShare = 0.8;

/** Gives the metrics of this process away, and answers what `/metrics` shows instead of them. */
export type ShareMetrics = (registry: Registry) => () => Promise<string>;

/**
 * Starts a whole server on a migrated database: the engine, its services, its loops, in that order; `stop` ends the loops and the calls, then
 * what they stand on.
 */
export async function startMillpond(
  settings: Settings,
  databaseUrl: string,
  logger: Logger,
  shareMetrics?: ShareMetrics,
): Promise<RunningServer> {
  const registry = createMetricsRegistry();
  let metrics: EngineMetrics | undefined;
  const onError = (loop: string) => (error: unknown) => {
    metrics?.onLoopError(loop);
    logger.warn({ err: error, loop }, "a background loop failed and will try again");
  };
  const onHandOut: EngineMetrics["onHandOut"] = (from, tasks) => metrics?.onHandOut(from, tasks);
  const onLogLines: EngineMetrics["onLogLines"] = (kept, dropped) => metrics?.onLogLines(kept, dropped);
  const onCounts: EngineMetrics["onCounts"] = (flush) => metrics?.onCounts(flush);
  const onHostOpened = (): void => metrics?.onHostOpened();
  const onUnblocked: EngineMetrics["onUnblocked"] = (waitsMs) => metrics?.onUnblocked(waitsMs);
  const parts = createEngineParts({
    ...{ settings, databaseUrl, logger, onError, onHandOut, onLogLines, onCounts, onHostOpened, onUnblocked },
  });
  metrics = createEngineMetrics(registry, {
    waitingWorkers: () => parts.workers.size,
    workerStreams: () => parts.roster.streams,
    workerAttempts: () => parts.attempts.size,
    logFollowers: () => parts.logFollowers.size,
    feedPosition: () => Number(parts.feed.settled),
    timerLagSeconds: () => parts.timerLagSeconds(),
    countsWaiting: () => parts.engine.counts.items,
    openHosts: () => parts.breakers.openCount,
  });
  registerRuleMetrics(registry, () => parts.ruleFigures());
  let server: RunningServer | undefined;
  try {
    const [secrets] = await Promise.all([
      readInstance(parts.db),
      parts.engine.dictionaries.refreshQueues(),
      parts.feed.start(),
    ]);
    const deps = createDeps(parts, settings, secrets);
    registerWatchMetrics(registry, () => deps.watch.figures());
    const validator = createValidator();
    const onHandleError = (error: unknown) => logger.error({ err: error }, "a report by handle failed unexpectedly");
    server = await startServer({
      ...settings,
      ...{ mapError: toConnectError, logger, registry, validator, ready: () => pingDatabase(parts.db) },
      ...(shareMetrics && { metricsText: shareMetrics(registry) }),
      routes: (router) => registerServices(router, deps),
      httpRoutes: [createTaskHandleRoute({ deps, secret: secrets.handleSecret, validator, onError: onHandleError })],
    });
    return await startLoops({ parts, deps, server, settings, secrets, metrics, onError });
  } catch (error) {
    await server?.stop(0);
    await parts.feed.stop();
    await parts.signal.stop();
    await parts.db.close();
    throw error;
  }
}

function createDeps(parts: EngineParts, settings: Settings, secrets: SharedSecrets): RpcDeps {
  const { db, engine, feed, workers, roster, leases, attempts } = parts;
  const { dictionaries } = engine;
  return {
    ...{
      engine,
      ids: createIdCodec(secrets.uuidSalt),
      workers,
      ...{ roster, leases, attempts },
      taskReads: createTaskReads(parts.db, engine.namespaceId),
      specs: new SpecFieldsCache(),
      claimWaitMaxMs: settings.claimWaitMaxMs,
    },
    urlGuard: createUrlGuard({
      allowLoopback: settings.webhookAllowLoopback,
      allowHosts: [...settings.webhookAllowHosts],
      blockHosts: [...settings.webhookBlockHosts],
    }),
    hosts: parts.breakers,
    heartbeatMs: settings.workerHeartbeatMs,
    workerDrainMs: settings.shutdownGraceMs * workerDrainShare,
    uploads: new UploadBudget({ tasksMax: settings.uploadTasksMax, bytesMax: settings.uploadBytesMax }),
    uploadIdleMs: settings.requestTimeoutMs,
    logs: { db, namespaceId: engine.namespaceId, followers: parts.logFollowers },
    watch: new WatchSource({
      ...{ db, dictionaries, feed, reader: new EventReader(db, dictionaries), checkpointMs },
      snapshotTasksMax: settings.snapshotTasksMax,
      // Streams that began together do not end, and begin again, together.
      streamAgeMs: () => settings.maxStreamAgeMs * (1 - streamAgeSpread * Math.random()),
    }),
  };
}

interface LoopsOptions {
  readonly parts: EngineParts;
  readonly deps: RpcDeps;
  readonly server: RunningServer;
  readonly settings: Settings;
  readonly secrets: SharedSecrets;
  readonly metrics: EngineMetrics;
  readonly onError: (loop: string) => (error: unknown) => void;
}

async function startLoops(options: LoopsOptions): Promise<RunningServer> {
  const { parts, deps, server, settings, secrets, metrics, onError } = options;
  const { db, feed, signal, workers, claimLine, attempts, roster, logFollowers, maintenance } = parts;
  const webhooks = createWebhooks({
    ...{ deps, settings, secrets, metrics, onError, breakers: parts.breakers, url: server.url },
  });
  const dispatch = (queues: ReadyQueues): void => {
    workers.mark(queues);
    webhooks.wakeStarts(queues);
  };
  const { dictionaries } = parts.engine;
  signal.onCommit((announced) => {
    feed.wake();
    if (announced === undefined || announced.includes(deliveriesWake)) webhooks.wakeDeliveries();
    if (announced === undefined || announced.includes(attemptsWake)) attempts.wake();
    const queues = announced?.filter((queue) => queue !== deliveriesWake && queue !== attemptsWake);
    if (queues === undefined || queues.every((queue) => dictionaries.isLoaded(queue))) dispatch(queues);
    else void loadQueues(dictionaries, queues).then(() => dispatch(queues), onError("queues"));
  });
  signal.onLogged((tasks) => logFollowers.tell(tasks));
  try {
    await signal.start();
  } catch (error) {
    await webhooks.close();
    throw error;
  }
  for (const loop of [...maintenance, claimLine, attempts, roster, logFollowers, webhooks]) loop.start();

  let stopping: Promise<void> | undefined;
  const stop = async (graceMs = settings.shutdownGraceMs): Promise<void> => {
    using bound = startBound(graceMs + stopSlackMs);
    const loops = [...maintenance, claimLine, logFollowers].map((loop) => loop.stop());
    await bound.within(Promise.all([...loops, webhooks.stop(graceMs), server.stop(graceMs)]));
    // Workers report, and are told to stop, up to here.
    await bound.within(Promise.all([attempts.stop(), roster.stop()]));
    await webhooks.close();
    await bound.within(parts.engine.counts.stop());
    await bound.within(feed.stop());
    await bound.within(signal.stop());
    await bound.within(db.close());
  };
  return {
    ...{ port: server.port, url: server.url },
    stop: (graceMs) => {
      stopping ??= stop(graceMs);
      return stopping;
    },
  };
}

/** Loads each queue by its id: a refresh looks only among the newest, and an id may become visible after much higher ones. */
async function loadQueues(dictionaries: Dictionaries, queues: readonly number[]): Promise<void> {
  // One after the other: the first that is missing usually brings the others.
  for (const queue of queues) await dictionaries.queue(queue);
}

/**
 * Bounds the steps of a stop together. Where the database hangs without closing its connections, none of what uses it ends: after the bound
 * each step is begun and left alone, with its connections, which end with the process.
 */
function startBound(ms: number): Disposable & { within(step: Promise<unknown>): Promise<void> } {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return {
    within: async (step) => void (await Promise.race([step, over])),
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
