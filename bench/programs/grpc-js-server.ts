// A server of plain grpc-js whose one method does nothing: what an RPC costs before anything is done.
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { readJob, sayLine } from "./program-job.ts";

await readJob<object>();
const server = new Server();
const raw = (bytes: Buffer): Buffer => bytes;
/** A HealthCheckResponse that says SERVING. */
const serving = Buffer.from([8, 1]);
server.addService(
  {
    Check: {
      path: "/grpc.health.v1.Health/Check",
      ...{ requestStream: false, responseStream: false },
      ...{ requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw },
    },
  },
  { Check: (_: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => answer(null, serving) },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  sayLine({ url: `http://127.0.0.1:${port}` });
});
