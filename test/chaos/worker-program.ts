// A worker in a process of its own: its handlers never end. It is there to be killed.
import { createClient, createWorker } from "@millpond/sdk";

const [address = "", kind = "", workerId = "", stream = ""] = process.argv.slice(2);
createWorker({ client: createClient({ address }), workerId, slots: 5, leaseMs: 2_000, stream: stream === "stream" })
  .handle(kind, () => new Promise(() => setTimeout(() => {}, 2_147_483_647)))
  .start();
