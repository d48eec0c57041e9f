// Uploads one large graph through the SDK.
import { createClient, uploadTasks } from "@millpond/sdk";
import { layeredGraph } from "../support/bench-graphs.ts";
import { readJob, sayLine } from "./program-job.ts";

/** SdkUploadJob is what this program does. */
export interface SdkUploadJob {
  readonly url: string;
  readonly tasks: number;
}

const job = await readJob<SdkUploadJob>();
const client = createClient({ address: job.url });
const graph = layeredGraph({ tasks: job.tasks, layers: 10, kind: "bench.upload" });
const startMs = performance.now();
const { createdCount } = await uploadTasks(client, graph, { retry: false });
const seconds = (performance.now() - startMs) / 1000;
if (Number(createdCount) !== job.tasks) throw new Error(`${createdCount} of ${job.tasks} tasks were created`);
sayLine({ seconds });
client.close();
process.exit();
