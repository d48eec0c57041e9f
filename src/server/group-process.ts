import { Code, ConnectError } from "@connectrpc/connect";
import type { Registry } from "prom-client";
import type { FromProcess, ToProcess } from "./process-messages.ts";

/** The primary asks all of them, and gives each a second. */
const allMetricsTimeoutMs = 3_000;

/** GroupProcess is this process, as one of several that are one server, and its channel to the first of them. */
export class GroupProcess {
  readonly #open = new Map<number, (text: string) => void>();
  #registry: Registry | undefined;
  #requests = 0;
  #stop: () => void;

  /** `stop` is called when the group stops. */
  constructor({ stop }: { readonly stop: () => void }) {
    this.#stop = stop;
    process.on("message", (message: ToProcess) => this.#hear(message));
  }

  /** Says that this process serves. */
  listening(server: { readonly url: string; readonly port: number }): void {
    void this.#tell({ case: "listening", url: server.url, port: server.port });
  }

  /** Says that this process cannot start, for a reason that a person has to mend; resolves when it has been said. */
  async failed(message: string): Promise<void> {
    await this.#tell({ case: "failed", message });
  }

  /** Lets the registry of this process be added to those of the others, and answers what reads the sum. */
  shareMetrics(registry: Registry): () => Promise<string> {
    this.#registry = registry;
    return () => this.#allMetrics();
  }

  async #allMetrics(): Promise<string> {
    this.#requests += 1;
    const request = this.#requests;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const late = new ConnectError("the metrics of the other processes did not come in time", Code.Unavailable);
    const timer = setTimeout(() => reject(late), allMetricsTimeoutMs);
    this.#open.set(request, resolve);
    void this.#tell({ case: "all-metrics", request });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#open.delete(request);
    }
  }

  #hear(message: ToProcess): void {
    switch (message.case) {
      case "stop":
        this.#stop();
        break;
      case "metrics":
        void this.#answer(message.request);
        break;
      case "all-metrics":
        this.#open.get(message.request)?.(message.text);
        break;
    }
  }

  async #answer(request: number): Promise<void> {
    const metrics = (await this.#registry?.getMetricsAsJSON()) ?? [];
    await this.#tell({ case: "metrics", request, metrics });
  }

  /** Resolves when the message is on its way. When the channel is closed, this process ends. */
  #tell(message: FromProcess): Promise<void> {
    return new Promise((resolve) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
      else resolve();
    });
  }
}
