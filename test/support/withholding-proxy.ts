import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { until } from "./until.ts";

/** What becomes of an answer, as far as it has come (bytes as Latin-1): it is not whole yet, it passes, or it never arrives. */
export type Verdict = "more" | "pass" | "withhold";

/** Tells which answers to keep back: those to requests that contain a text, as the verdict says. */
export interface WithheldAnswers {
  readonly request: string;
  readonly judge: (answer: string) => Verdict;
}

/** A TCP proxy that can lose answers: the request arrives, whoever made it never hears of it. */
export interface WithholdingProxy extends AsyncDisposable {
  readonly port: number;
  /** Where connections that are opened from now on go. */
  target: number;
  /** Keeps an answer back, and all that follows on its connection. `arrived` waits until there is one. */
  withhold(answers: WithheldAnswers): { arrived(): Promise<void> };
  /** Keeps nothing back any more and cuts all connections: who waits for an answer fails. */
  cut(): void;
}

/** Starts a proxy to a port of this machine. */
export async function startWithholdingProxy(targetPort: number): Promise<WithholdingProxy> {
  const sockets = new Set<Socket>();
  let withheld: (WithheldAnswers & { count: number })[] = [];
  const relay = (inward: Socket, outward: Socket): void => {
    let asked: (typeof withheld)[number] | undefined;
    let answer = Buffer.alloc(0);
    let mute = false;
    inward.on("data", (request) => {
      asked ??= withheld.find(({ request: text }) => request.includes(text));
      outward.write(request);
    });
    outward.on("data", (chunk) => {
      if (mute) return;
      answer = Buffer.concat([answer, chunk]);
      const verdict = asked?.judge(answer.toString("latin1")) ?? "pass";
      if (verdict === "more") return;
      mute = verdict === "withhold";
      if (asked !== undefined && mute) asked.count += 1;
      if (!mute) inward.write(answer);
      answer = Buffer.alloc(0);
      asked = undefined;
    });
  };
  const server = createServer((inward) => {
    const outward = connect(proxy.target, "127.0.0.1");
    relay(inward, outward);
    for (const [socket, other] of [
      [inward, outward],
      [outward, inward],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    withheld = [];
    for (const socket of sockets) socket.destroy();
  };
  const proxy: WithholdingProxy = {
    port: (server.address() as { port: number }).port,
    target: targetPort,
    withhold: (answers) => {
      const entry = { ...answers, count: 0 };
      withheld.push(entry);
      return { arrived: () => until(`an answer to ${answers.request} is withheld`, () => entry.count > 0) };
    },
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
