import { bytes, choice, duration, flag, integer, list, origins, type SettingKind, text, url } from "./setting-kind.ts";

/**
 * SettingDefinition is one setting: the environment variable that gives it, its kind, default and documentation.
 * Parsing, error messages and `docs/configuration.md` are all made from these.
 */
export interface SettingDefinition<T> {
  /** The name of the environment variable. */
  readonly env: string;
  readonly kind: SettingKind<NonNullable<T>>;
  /** The value when the variable is absent or blank. */
  readonly default: T;
  /** How the documentation shows a default that is worked out when the server starts. */
  readonly defaultText?: string;
  /** True when the value must never be shown. */
  readonly secret?: boolean;
  /** One or two sentences for the person who runs the server. */
  readonly doc: string;
}

/** The names of pino's levels, most talkative first. */
const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** The least severe log line that is written. */
export type LogLevel = (typeof logLevels)[number];

/** The longest delay that a Node.js timer can hold. */
const timerMaxMs = 2_147_483_647;
/** The most processes that one server may have. */
export const processesMax = 64;
const second = 1_000;
const minute = 60_000;
const hour = 3_600_000;
const kib = 1024;
const mib = 1024 ** 2;

/** Every setting of a server, by the name that it has in {@link Settings}. */
export const settingDefinitions = {
  port: define({
    env: "PORT",
    kind: integer({ min: 0, max: 65_535 }),
    default: 8085,
    doc: "The one port, for gRPC, gRPC-Web, Connect and plain HTTP. 0 lets the system choose a free one.",
  }),
  host: define({
    env: "HOST",
    kind: text("a host name or an IP address"),
    default: "127.0.0.1",
    doc:
      "The address to listen on. The default is reached from this machine only, because this version has no " +
      "authentication; in a container or on a trusted network set it to 0.0.0.0 (or :: for IPv6 too).",
  }),
  processes: define({
    env: "MILLPOND_PROCESSES",
    kind: integer({ min: 1, max: processesMax }),
    default: 1,
    doc:
      "How many processes serve the port, for machines with several cores. Each is a whole server with database connections of its own; " +
      "the option --processes of `millpond serve` is stronger.",
  }),
  hostUrl: define<string | undefined>({
    env: "HOST_URL",
    kind: url({ schemes: ["http", "https"], query: false, example: "https://millpond.example.com" }),
    default: undefined,
    defaultText: "http://<HOST>:<PORT>",
    doc: "What the handles that webhooks receive start with: the URL under which receivers reach this server.",
  }),
  databaseUrl: define<string | undefined>({
    env: "DATABASE_URL",
    kind: url({
      schemes: ["postgres", "postgresql"],
      query: true,
      example: "postgresql://user:password@host:5432/database",
    }),
    default: undefined,
    defaultText: "an embedded PostgreSQL in MILLPOND_DATA_DIR",
    secret: true,
    doc: "The PostgreSQL (15 or later) to use. Without it the server runs its own in MILLPOND_DATA_DIR.",
  }),
  dataDir: define<string | undefined>({
    env: "MILLPOND_DATA_DIR",
    kind: text("a folder"),
    default: undefined,
    defaultText: "/var/lib/millpond as root, else millpond in the user's data folder",
    doc: "The folder of the embedded PostgreSQL. One server at a time may use it. Not used with DATABASE_URL.",
  }),
  webhookAllowLoopback: define({
    env: "MILLPOND_WEBHOOK_ALLOW_LOOPBACK",
    kind: flag(),
    default: false,
    doc: "Whether webhooks may call this machine's loopback addresses. For development; every other refusal stays.",
  }),
  webhookAllowHosts: define<readonly string[]>({
    env: "MILLPOND_WEBHOOK_ALLOW_HOSTS",
    kind: hosts(),
    default: [],
    defaultText: "none",
    doc:
      "Private hosts that webhooks may call, beside everything on the internet: names, *.suffixes, addresses or CIDR ranges. " +
      "It never opens loopback, link-local or metadata addresses.",
  }),
  webhookBlockHosts: define<readonly string[]>({
    env: "MILLPOND_WEBHOOK_BLOCK_HOSTS",
    kind: hosts(),
    default: [],
    defaultText: "none",
    doc: "Hosts that webhooks may not call, beside those that are refused anyway; written as the allowed ones, and stronger.",
  }),
  webhookTimeoutMs: define({
    env: "MILLPOND_WEBHOOK_TIMEOUT",
    kind: duration({ min: 100, max: 10 * minute }),
    default: 10 * second,
    doc: "How long a webhook's receiver may take to answer.",
  }),
  logLevel: define<LogLevel>({
    env: "MILLPOND_LOG_LEVEL",
    kind: choice(logLevels),
    default: "info",
    doc: "The least severe log line that is written, as JSON to standard output. Health checks are logged at debug.",
  }),
  maxMessageBytes: define({
    env: "MILLPOND_MAX_MESSAGE_BYTES",
    kind: bytes({ min: 64 * kib, max: 1024 * mib }),
    default: 16 * mib,
    doc: "The largest request message, after decompression. A larger one is answered RESOURCE_EXHAUSTED.",
  }),
  compressMinBytes: define({
    env: "MILLPOND_COMPRESS_MIN_BYTES",
    kind: bytes({ min: 0, max: 1024 * mib }),
    default: mib,
    doc:
      "Answers from so many bytes on are compressed for clients that accept it. Most gRPC clients do, and compressing what workers are handed " +
      "costs more than to send it; lower it for clients that are far away.",
  }),
  maxHeaderBytes: define({
    env: "MILLPOND_MAX_HEADER_BYTES",
    kind: bytes({ min: 4 * kib, max: mib }),
    default: 16 * kib,
    doc: "The largest header block of one request, on HTTP/1.1 and on HTTP/2.",
  }),
  maxStreamsPerConnection: define({
    env: "MILLPOND_MAX_STREAMS_PER_CONNECTION",
    kind: integer({ min: 1, max: 1_000_000 }),
    default: 1_000,
    doc: "How many calls one HTTP/2 connection may have open at once. Clients queue or open another connection.",
  }),
  maxStreamAgeMs: define({
    env: "MILLPOND_MAX_STREAM_AGE",
    kind: duration({ min: second, max: 10_000 * hour }),
    default: hour,
    doc:
      "How long one WatchEvents stream may last; it ends up to a tenth before, in good order, with a cursor from which the client goes on. " +
      "So clients spread over servers that were added later.",
  }),
  requestTimeoutMs: define({
    env: "MILLPOND_REQUEST_TIMEOUT",
    kind: duration({ min: second, max: hour }),
    default: minute,
    doc: "How long a client may take to send a request whole, or each next part of an upload. The headers alone have a sixth of that.",
  }),
  rpcFastPath: define({
    env: "MILLPOND_RPC_FAST_PATH",
    kind: flag(),
    default: true,
    doc:
      "Whether the usual calls (gRPC that is unary or answered with a stream, unary Connect over HTTP/1.1) are served without the " +
      "RPC library's own machinery, at a sixth of its cost. Answers are the same without; turn it off to rule it out.",
  }),
  corsOrigins: define<readonly string[]>({
    env: "MILLPOND_CORS_ORIGINS",
    kind: origins(),
    default: [],
    defaultText: "no origin",
    doc:
      "The origins whose pages may call the server from a browser, by Connect or gRPC-Web, and read its probes; `*` lets every page. None may without it: " +
      "whoever reaches the port may do everything, and so could any page that somebody opens who does. Handles (/task/…) stay closed to pages.",
  }),
  reflection: define({
    env: "MILLPOND_REFLECTION",
    kind: flag(),
    default: true,
    doc:
      "Whether the server tells generic clients (grpcurl, buf curl, evans, ghz) which services it has, by gRPC reflection. It is on because the contract " +
      "is public and a server tells nothing else by it, and because without it such a client needs the proto files; turn it off where a scanner or a policy asks for that.",
  }),
  keepaliveIntervalMs: define({
    env: "MILLPOND_KEEPALIVE_INTERVAL",
    kind: duration({ min: second, max: hour }),
    default: 15 * second,
    doc: "How often HTTP/2 connections are pinged. One that has not answered by the second next ping is closed.",
  }),
  shutdownGraceMs: define({
    env: "MILLPOND_SHUTDOWN_GRACE",
    kind: duration({ min: 0, max: hour }),
    default: 10 * second,
    doc: "How long calls may go on after SIGTERM or SIGINT before their connections are cut.",
  }),
  databaseWriters: define({
    env: "MILLPOND_DATABASE_WRITERS",
    kind: integer({ min: 1, max: 100 }),
    default: 4,
    doc: "Database connections for state changes.",
  }),
  databaseReaders: define({
    env: "MILLPOND_DATABASE_READERS",
    kind: integer({ min: 1, max: 500 }),
    default: 8,
    doc: "Database connections for reads by id, and as many for lists and snapshots.",
  }),
  claimWaitMaxMs: define({
    env: "MILLPOND_CLAIM_WAIT_MAX",
    kind: duration({ min: 0, max: timerMaxMs }),
    default: minute,
    doc: "The longest that one ClaimTasks call may wait for a task.",
  }),
  workerHeartbeatMs: define({
    env: "MILLPOND_WORKER_HEARTBEAT",
    kind: duration({ min: 100, max: 30 * minute }),
    default: 10 * second,
    doc: "How often workers with a stream send a heartbeat. One that is silent for twice as long has lost its tasks; so long is their lease, too.",
  }),
  feedBufferEvents: define({
    env: "MILLPOND_FEED_BUFFER_EVENTS",
    kind: integer({ min: 100, max: 10_000_000 }),
    default: 20_000,
    doc: "How many recent events each server keeps in memory for watchers. Slower watchers read from the database.",
  }),
  startConcurrency: define({
    env: "MILLPOND_START_CONCURRENCY",
    kind: integer({ min: 1, max: 10_000 }),
    default: 256,
    doc: "How many webhook starts one server has in flight at once.",
  }),
  deliveryConcurrency: define({
    env: "MILLPOND_DELIVERY_CONCURRENCY",
    kind: integer({ min: 1, max: 10_000 }),
    default: 256,
    doc: "How many webhook calls that tell of ends one server has in flight at once.",
  }),
  webhookHostConcurrency: define({
    env: "MILLPOND_WEBHOOK_HOST_CONCURRENCY",
    kind: integer({ min: 1, max: 10_000 }),
    default: 64,
    doc:
      "How many of either kind one server has in flight at once to one host. Hosts that are slow hold up only what leads to them, unless so many " +
      "are slow that they take all places.",
  }),
  snapshotTasksMax: define({
    env: "MILLPOND_SNAPSHOT_TASKS_MAX",
    kind: integer({ min: 1, max: 10_000_000 }),
    default: 200_000,
    doc: "The largest batch that WatchEvents sends a snapshot of.",
  }),
  logLinesMax: define({
    env: "MILLPOND_LOG_LINES_MAX",
    kind: integer({ min: 1, max: 1_000_000 }),
    default: 10_000,
    doc: "How many lines the log of a task keeps, of all its attempts. What is logged beyond is dropped, with a marker that says how many lines; earlier attempts make room first.",
  }),
  logBytesMax: define({
    env: "MILLPOND_LOG_BYTES_MAX",
    kind: bytes({ min: kib, max: 64 * mib }),
    default: mib,
    doc: "How many bytes of messages the log of a task keeps, in the same way.",
  }),
  logRetentionMs: define({
    env: "MILLPOND_LOG_RETENTION",
    kind: duration({ min: second, max: 87_600 * hour }),
    default: 168 * hour,
    doc: "How long the log of a task is kept after its end.",
  }),
  countsWaitingMax: define({
    env: "MILLPOND_COUNTS_WAITING_MAX",
    kind: integer({ min: 1, max: 100_000_000 }),
    default: 200_000,
    doc:
      "How many items of AddCounts and StreamCounts may wait to be written, 24 bytes each; a stream may be one message over. " +
      "Beyond it streams are not read, which holds their clients back, and AddCounts is answered RESOURCE_EXHAUSTED.",
  }),
  uploadTasksMax: define({
    env: "MILLPOND_UPLOAD_TASKS_MAX",
    kind: integer({ min: 1, max: 900_000 }),
    default: 200_000,
    doc: "How many tasks one UploadTasks call may create. They are held in memory until the last has come.",
  }),
  uploadBytesMax: define({
    env: "MILLPOND_UPLOAD_BYTES_MAX",
    kind: bytes({ min: 64 * kib, max: 64 * 1024 * mib }),
    default: 256 * mib,
    doc:
      "What all unfinished UploadTasks calls of one server may hold together: the bytes of their tasks, 512 more for each task " +
      "and 96 for each dependency. What is more is answered RESOURCE_EXHAUSTED.",
  }),
};

/** Types a definition from its kind and default. */
function define<T>(definition: SettingDefinition<T>): SettingDefinition<T> {
  return definition;
}

function hosts(): SettingKind<readonly string[]> {
  const accepts = 'hosts with commas between them, as in "hooks.internal,*.svc.cluster.local,10.1.0.0/16"';
  return list(accepts, /^[0-9A-Za-z.*:_/-]+$/);
}
