// A worker in a process of its own: its handlers never end. It is there to be killed.
import { createClient, createWorker } from "@millpond/sdk";

const [address = "", kind = "", workerId = "", how = "", leaseMs = ""] = process.argv.slice(2);
const client = createClient({ address });
createWorker({ client, workerId, slots: 5, leaseMs: Number(leaseMs), stream: how === "stream" })
  .handle(kind, () => new Promise(() => setTimeout(() => {}, 2_147_483_647)))
  .start();
