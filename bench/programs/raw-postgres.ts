// What PostgreSQL itself takes: rows of twelve columns, inserted by the thousand or one by one.
import { randomUUID } from "node:crypto";
import pg from "pg";
import { readJob, sayLine } from "./program-job.ts";

/** RawPostgresJob is what this program does. */
export interface RawPostgresJob {
  readonly url: string;
  readonly connections: number;
  readonly rowsPerStatement: number;
  readonly measureMs: number;
}

const columns = [
  ["id", "uuid"],
  ["batch_id", "uuid"],
  ["namespace_id", "int"],
  ["status", "smallint"],
  ["priority", "smallint"],
  ["attempt", "int"],
  ["kind", "text"],
  ["key", "text"],
  ["name", "text"],
  ["metadata", "jsonb"],
  ["input", "text"],
  ["start_timeout_ms", "int"],
] as const;
const names = columns.map(([name]) => name).join(", ");
const metadata = JSON.stringify({ project: "genomes", sample: "s-123456", step: "align", owner: "x".repeat(90) });
const input = JSON.stringify({ file: "y".repeat(110), n: 7 });

const job = await readJob<RawPostgresJob>();
const clients = await Promise.all(
  Array.from({ length: job.connections }, async () => {
    const client = new pg.Client({ connectionString: job.url });
    await client.connect();
    return client;
  }),
);
await createTable(clients[0] as pg.Client);
const values = Array.from({ length: 8 }, rowsOf);
await load(500);
const startMs = performance.now();
const rows = await load(job.measureMs);
sayLine({ rows, seconds: (performance.now() - startMs) / 1000 });
process.exit();

async function createTable(client: pg.Client): Promise<void> {
  const definitions = columns.map(([name, type]) => `${name} ${type}${name === "id" ? " primary key" : ""}`);
  await client.query(`drop table if exists raw; create table raw (${definitions.join(", ")})`);
  await client.query("create index on raw (batch_id)");
}

/** The values of one statement, but for the ids. */
function rowsOf(): unknown[][] {
  const batch = randomUUID();
  const fill = (value: unknown) => new Array(job.rowsPerStatement).fill(value);
  return [
    ...[fill(""), fill(batch), fill(1), fill(2), fill(0), fill(0), fill("bench")],
    ...[fill("task"), fill("a task of the bench"), fill(metadata), fill(input), fill(30_000)],
  ];
}

async function load(forMs: number): Promise<number> {
  const endMs = performance.now() + forMs;
  const types = columns.map(([, type], n) => `$${n + 1}::${type}[]`).join(", ");
  const list = columns.map((_, n) => `$${n + 1}`).join(", ");
  const statement =
    job.rowsPerStatement === 1
      ? { name: "one", text: `insert into raw (${names}) values (${list})` }
      : { name: "many", text: `insert into raw (${names}) select * from unnest(${types}) x` };
  let count = 0;
  const lane = async (client: pg.Client) => {
    for (let n = 0; performance.now() < endMs; n++) {
      const [, ...rest] = values[n % values.length] as unknown[][];
      const ids = Array.from({ length: job.rowsPerStatement }, () => randomUUID());
      const all = [ids, ...rest];
      await client.query({ ...statement, values: job.rowsPerStatement === 1 ? all.map((each) => each[0]) : all });
      count += job.rowsPerStatement;
    }
  };
  await Promise.all(clients.map(lane));
  return count;
}
