import path from "node:path";

/** Packages are compiled: beside them are neither the folder of the repository nor the SDK. */
const isPackaged = path.extname(import.meta.filename) === ".js";

/** thingsToTry shows three ways to ask a server that is left up about a batch, each to be pasted as it stands. */
export function thingsToTry(url: string, batchId: string): string {
  const { host } = new URL(url);
  return `
The server stays up until Ctrl-C. Three things to try${isPackaged ? "" : ", in this folder"}:

curl, plain JSON:
  curl -s ${url}/millpond.v1.BatchService/GetBatch \\
    -H 'content-type: application/json' -d '{"batch_id":"${batchId}"}'

grpcurl, gRPC:
  grpcurl -plaintext -d '{"batch_id":"${batchId}","page_size":3}' ${host} millpond.v1.TaskService/ListTasks

${isPackaged ? commandLine(url, batchId) : typeScript(url)}
`;
}

function commandLine(url: string, batchId: string): string {
  return `The command line, begun as you began this demo:
  millpond batch graph ${batchId} --address ${url}`;
}

function typeScript(url: string): string {
  return `The TypeScript SDK, a graph of one's own and the worker that runs it, until Ctrl-C:
  node_modules/.bin/node --input-type=module -e '
    import { createClient, createGraph, createWorker } from "@millpond/sdk";
    const client = createClient({ address: "${url}" });
    const graph = createGraph({ name: "mine" });
    const hello = graph.task("hello", { kind: "print" });
    graph.task("world", { kind: "print", after: [hello] });
    await client.tasks.createTasks(graph.toRequest());
    createWorker({ client }).handle("print", ({ task }) => console.log(task.key)).start();'`;
}
