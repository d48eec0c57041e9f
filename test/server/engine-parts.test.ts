import pg from "pg";
import { pino } from "pino";
import { expect, test, vi } from "vitest";
import { loadSettings } from "../../src/config/settings.ts";
import { createEngineParts } from "../../src/server/engine-parts.ts";
import { createTestDatabase } from "../support/database.ts";

test("the loop of timers looks when the database tells of one that is due soon", async () => {
  const database = await createTestDatabase();
  const parts = createEngineParts({
    settings: loadSettings({}).settings,
    databaseUrl: database.url,
    logger: pino({ level: "silent" }),
    onError: () => () => {},
  });
  const wake = vi.spyOn(parts.maintenance[0]!, "wake");
  const admin = new pg.Client({ connectionString: database.url });
  try {
    await admin.connect();
    await parts.signal.start();
    await admin.query("notify millpond, 'other 1'");
    await admin.query("notify millpond, 'timers'");
    await vi.waitFor(() => expect(wake).toHaveBeenCalledTimes(1), 30_000);
  } finally {
    await admin.end();
    await parts.signal.stop();
    await parts.db.close();
    await database.drop();
  }
});
