import { randomBytes } from "node:crypto";
import pg from "pg";
import { secretText } from "../domain/webhook-secret.ts";

/** What calls of a namespace's webhooks are signed with, as receivers are given it. */
export interface WebhookSecretTexts {
  readonly current: string;
  /** Absent but between a rotation and its end. */
  readonly previous?: string;
}

/** Why secrets were not shown or changed. */
export type SecretRefusal = "unmigrated" | "no namespace" | "previous in use" | "no previous";

/** Secrets of Standard Webhooks have 24 to 64 bytes. */
const secretBytes = 32;

const changes = {
  show: undefined,
  rotate: {
    text: `update namespace set previous_webhook_secret = webhook_secret, webhook_secret = $2
      where name = $1 and previous_webhook_secret is null`,
    values: (namespace: string) => [namespace, randomBytes(secretBytes)],
    refusal: "previous in use",
  },
  retire: {
    text: `update namespace set previous_webhook_secret = null
      where name = $1 and previous_webhook_secret is not null`,
    values: (namespace: string) => [namespace],
    refusal: "no previous",
  },
} as const;

/** PostgreSQL's codes of an unknown table and an unknown column. */
const unmigratedCodes: ReadonlySet<unknown> = new Set(["42P01", "42703"]);

/**
 * Shows the secrets of a namespace, or makes a new one and keeps the one before (`rotate`), or forgets the previous one (`retire`); answers them as they are then. There are two at
 * most: a rotation is refused until the one before has been ended.
 */
export async function changeWebhookSecrets(
  databaseUrl: string,
  change: { readonly case: keyof typeof changes; readonly namespace: string },
): Promise<WebhookSecretTexts | SecretRefusal> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query("select from namespace where name = $1", [change.namespace]);
    if (rows.length === 0) return "no namespace";
    const statement = changes[change.case];
    if (statement !== undefined) {
      const { rowCount } = await client.query<object>(statement.text, statement.values(change.namespace));
      if (rowCount === 0) return statement.refusal;
    }
    return await readTexts(client, change.namespace);
  } catch (error) {
    if (error instanceof pg.DatabaseError && unmigratedCodes.has(error.code)) return "unmigrated";
    throw error;
  } finally {
    await client.end();
  }
}

async function readTexts(client: pg.Client, namespace: string): Promise<WebhookSecretTexts | SecretRefusal> {
  const { rows } = await client.query<{ current: Buffer; previous: Buffer | null }>(
    'select webhook_secret "current", previous_webhook_secret "previous" from namespace where name = $1',
    [namespace],
  );
  const [row] = rows;
  if (row === undefined) return "no namespace";
  return { current: secretText(row.current), ...(row.previous !== null && { previous: secretText(row.previous) }) };
}
