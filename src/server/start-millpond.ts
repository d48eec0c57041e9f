import { createValidator } from "@bufbuild/protovalidate";
import type { Logger } from "pino";
import type { Settings } from "../config/settings.ts";
import { createIdCodec } from "../domain/ids.ts";
import type { ReadyQueues } from "../events/commit-signal.ts";
import { EventReader } from "../events/event-reader.ts";
import { toConnectError } from "../rpc/errors.ts";
import type { RpcDeps } from "../rpc/rpc-deps.ts";
import { registerServices } from "../rpc/services.ts";
import { openOrm, readInstance, type SharedSecrets } from "../store/orm.ts";
import { pingDatabase } from "../store/ping.ts";
import { createStartCaller } from "../webhooks/start-caller.ts";
import { createUrlGuard } from "../webhooks/url-guard.ts";
import { createEngineMetrics, type EngineMetrics } from "./engine-metrics.ts";
import { createEngineParts, type EngineParts } from "./engine-parts.ts";
import { createMetricsRegistry } from "./rpc-metrics.ts";
import { type RunningServer, startServer } from "./start-server.ts";
import { createTaskHandleRoute } from "./task-handle-route.ts";
import { createWebhookStarts } from "./webhook-starts.ts";

const checkpointMs = 10_000;

/**
 * Starts a whole server on a migrated database: the engine, its services, its loops, in that order; `stop` ends the loops and the calls, then
 * what they stand on.
 */
export async function startMillpond(settings: Settings, databaseUrl: string, logger: Logger): Promise<RunningServer> {
  const secrets = await loadSecrets(databaseUrl);
  const registry = createMetricsRegistry();
  let metrics: EngineMetrics | undefined;
  const onError = (loop: string) => (error: unknown) => {
    metrics?.onLoopError(loop);
    logger.warn({ err: error, loop }, "a background loop failed and will try again");
  };
  const parts = createEngineParts({ settings, databaseUrl, logger, onError });
  metrics = createEngineMetrics(registry, {
    waitingWorkers: () => parts.claimLine.waiting,
    feedPosition: () => Number(parts.feed.settled),
  });
  const deps = createDeps(parts, settings, secrets);
  try {
    await parts.engine.dictionaries.refreshQueues();
    await parts.feed.start();
    const validator = createValidator();
    const onHandleError = (error: unknown) => logger.error({ err: error }, "a report by handle failed unexpectedly");
    const server = await startServer({
      ...settings,
      ...{ mapError: toConnectError, logger, registry, validator, ready: () => pingDatabase(parts.db) },
      routes: (router) => registerServices(router, deps),
      httpRoutes: [createTaskHandleRoute({ deps, secret: secrets.handleSecret, validator, onError: onHandleError })],
    });
    return await startLoops({ parts, deps, server, settings, secrets, metrics, onError });
  } catch (error) {
    await parts.feed.stop();
    await parts.signal.stop();
    await parts.db.close();
    throw error;
  }
}

function createDeps(parts: EngineParts, settings: Settings, secrets: SharedSecrets): RpcDeps {
  const { db, engine, feed, claimLine } = parts;
  const { dictionaries } = engine;
  return {
    ...{ engine, ids: createIdCodec(secrets.uuidSalt), claimLine, claimWaitMaxMs: settings.claimWaitMaxMs },
    urlGuard: createUrlGuard({
      allowLoopback: settings.webhookAllowLoopback,
      allowHosts: [...settings.webhookAllowHosts],
      blockHosts: [...settings.webhookBlockHosts],
    }),
    watch: {
      ...{ db, dictionaries, feed, reader: new EventReader(db, dictionaries), checkpointMs },
      snapshotTasksMax: settings.snapshotTasksMax,
    },
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
  const { db, feed, signal, claimLine, maintenance } = parts;
  const caller = createStartCaller({ guard: deps.urlGuard, timeoutMs: settings.webhookTimeoutMs });
  const starts = createWebhookStarts({
    ...{ deps, caller, concurrency: settings.startConcurrency, secret: secrets.handleSecret },
    hostUrl: settings.hostUrl ?? server.url,
    onError: (error, during) => onError(`webhook ${during}`)(error),
    onCall: (call) => metrics.onWebhookStart(call),
  });
  const dispatch = (queues: ReadyQueues): void => {
    claimLine.mark(queues);
    if (queues === undefined || queues.length > 0) starts.wake();
  };
  const { dictionaries } = parts.engine;
  signal.onCommit((queues) => {
    feed.wake();
    if (queues === undefined || queues.every((queue) => dictionaries.isLoaded(queue))) dispatch(queues);
    else void dictionaries.refreshQueues().then(() => dispatch(queues), onError("queues"));
  });
  await signal.start();
  for (const loop of [...maintenance, claimLine, starts]) loop.start();

  let stopping: Promise<void> | undefined;
  const stop = async (graceMs?: number): Promise<void> => {
    const loops = [...maintenance, claimLine, starts].map((loop) => loop.stop());
    await Promise.all([...loops, server.stop(graceMs)]);
    await caller.close();
    await feed.stop();
    await signal.stop();
    await db.close();
  };
  return {
    ...{ port: server.port, url: server.url },
    stop: (graceMs) => {
      stopping ??= stop(graceMs);
      return stopping;
    },
  };
}

async function loadSecrets(databaseUrl: string): Promise<SharedSecrets> {
  const orm = openOrm(databaseUrl);
  try {
    return await readInstance(orm);
  } finally {
    await orm.close();
  }
}
