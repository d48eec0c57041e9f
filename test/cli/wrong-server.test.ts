import { once } from "node:events";
import { createServer, type Server as HttpServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { startFakeServer } from "../rpc/server-harness.ts";
import { setup } from "../support/setup.ts";
import { runMillpond } from "./support/millpond-process.ts";

const nobody = "01990000-0000-7000-8000-000000000000";

/** Listens at an address of this machine until the test has finished. */
async function addressOf(server: Server | HttpServer): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const list = (address: string) => runMillpond(["task", "list", "--address", address]);

test("where nobody listens, it says so, and how to start a server or name another", async () => {
  const { code, stderr, stdout } = await list("127.0.0.1:9");
  expect(stderr).toBe(
    "millpond: no Millpond server answers at http://127.0.0.1:9 (connect ECONNREFUSED 127.0.0.1:9); " +
      "start one with `millpond serve`, or name another with --address\n",
  );
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
});

test("what is no address is misuse", async () => {
  const { code, stderr } = await list("ftp://x");
  expect(stderr).toContain('"ftp://x" is no address of a server');
  expect(code).toBe(2);
});

const html: RequestListener = (_, answer) => answer.writeHead(404).end("<h1>Not here</h1>");
const emptyObject: RequestListener = (_, answer) => answer.writeHead(200).end('{"status": "ok"}');
const otherConnect: RequestListener = (_, answer) =>
  answer.writeHead(404, { "content-type": "application/json" }).end('{"code": "unimplemented", "message": "no"}');

test.each([
  ["a web server", html],
  ["a service that answers JSON", emptyObject],
  ["a Connect service of another kind", otherConnect],
])("%s is no Millpond", async (_, listener) => {
  const address = await addressOf(createServer(listener));
  const { code, stderr } = await list(address);
  expect(stderr).toContain(`millpond: what answers at ${address} is no Millpond server (`);
  expect(stderr).toContain("); name the right one with --address or MILLPOND_ADDRESS\n");
  expect(stderr).not.toContain("is this the address");
  expect(code).toBe(1);
});

test("who says what is no HTTP is no Millpond", async () => {
  const address = await addressOf(createTcpServer((socket) => socket.on("error", () => undefined).end("220 mail\r\n")));
  const { code, stderr } = await list(address);
  expect(stderr).toContain(`what answers at ${address} is no Millpond server`);
  expect(code).toBe(1);
});

test("who takes connections and never answers is told as one that is away", async () => {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => void sockets.add(socket.on("error", () => undefined)));
  const address = await addressOf(server);
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  const { code, stderr } = await list(address);
  expect(stderr).toContain(`no Millpond server answers at ${address} (`);
  expect(code).toBe(1);
});

test("a server without TLS is told apart where TLS is meant", async () => {
  await using server = await setup();
  const { code, stderr } = await list(server.url.replace("http:", "https:"));
  expect(stderr).toContain("does not speak TLS; is it http://?");
  expect(code).toBe(1);
});

test("a Millpond that does not know a call is of an older version, and the way out is told", async () => {
  // It has listTasks, by which it is known as a Millpond, and of delivery services it has never heard.
  const older = await startFakeServer({ tasks: { listTasks: () => ({}) } });
  for (const command of [
    ["task", "update", nobody, "--priority", "1"],
    ["delivery", "list"],
    ["events", "--follow"],
  ]) {
    const { code, stderr } = await runMillpond([...command, "--address", older.url]);
    expect(stderr).toContain(
      `millpond: the Millpond server at ${older.url} does not know what this command asks of it (`,
    );
    expect(stderr).toContain("it is of an older version; bring it up to that of this command (`millpond --version`)");
    expect(code).toBe(1);
  }
});

test("so is one that says that it has no such call yet", async () => {
  const explainTask = () => {
    throw new MillpondError("UNIMPLEMENTED", "ExplainTask is not part of this version", {});
  };
  const older = await startFakeServer({ tasks: { explainTask } });
  const { code, stderr } = await runMillpond(["task", "explain", nobody, "--address", older.url]);
  expect(stderr).toContain(
    `the Millpond server at ${older.url} does not know what this command asks of it (ExplainTask is not part of this version)`,
  );
  expect(code).toBe(1);
});

test("a Millpond that refuses who has no token says how to give one", async () => {
  const listTasks = () => {
    throw new MillpondError("UNAUTHENTICATED", "there is no token", {});
  };
  const guarded = await startFakeServer({ tasks: { listTasks } });
  const { code, stderr } = await list(guarded.url);
  expect(stderr).toContain("(UNAUTHENTICATED); give a token with --token or MILLPOND_TOKEN");
  expect(code).toBe(1);
});
