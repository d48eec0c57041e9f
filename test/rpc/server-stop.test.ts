import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { loadSettings } from "../../src/config/settings.ts";
import { startMillpond } from "../../src/server/start-millpond.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { freePort, startServeProcess } from "../support/serve-process.ts";

/** A way to a database that can stop to forward, or does not let in whom it is told not to. */
interface HangingProxy {
  readonly url: string;
  /** Forwards nothing any more, and closes nothing. */
  hang(): void;
}

async function startProxy(database: TestDatabase, refused = "\0none"): Promise<HangingProxy> {
  const target = new URL(database.url);
  const sockets = new Set<Socket>();
  let hangs = false;
  const server = createServer((inward) => {
    const outward = connect(Number(target.port), "127.0.0.1");
    const pairs = [
      [inward, outward],
      [outward, inward],
    ] as const;
    for (const [socket, other] of pairs) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
      socket.on("data", (data) => {
        if (data.includes(refused)) socket.destroy();
        else if (!hangs) other.write(data);
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
    await database.drop();
  });
  const url = new URL(database.url);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    hang: () => {
      hangs = true;
    },
  };
}

const quiet = pino({ level: "silent" });

test("a server stops within its grace also when the database hangs without closing its connections", async () => {
  const proxy = await startProxy(await createTestDatabase());
  const server = await startMillpond(loadSettings({ PORT: "0" }).settings, proxy.url, quiet);
  proxy.hang();
  const waiting = fetch(`${server.url}/millpond.v1.TaskService/ListTasks`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  }).catch(() => undefined);
  const startedMs = performance.now();
  await server.stop(200);
  expect(performance.now() - startedMs).toBeLessThan(30_000);
  await waiting;
});

test("and its process ends", async () => {
  const proxy = await startProxy(await createTestDatabase());
  const server = await startServeProcess({
    ...{ PORT: "0", DATABASE_URL: proxy.url, MILLPOND_SHUTDOWN_GRACE: "200ms" },
  });
  onTestFinished(() => void server.child.kill("SIGKILL"));
  proxy.hang();
  const startedMs = performance.now();
  expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(30_000);
});

test("a start that fails after the port was opened closes the port and every connection to the database", async () => {
  const proxy = await startProxy(await createTestDatabase(), "millpond listener");
  const port = await freePort();
  await expect(startMillpond(loadSettings({ PORT: String(port) }).settings, proxy.url, quiet)).rejects.toThrow();
  const socket = connect(port, "127.0.0.1");
  const [error] = await once(socket, "error");
  expect(error).toMatchObject({ code: "ECONNREFUSED" });
});
