import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { createClient } from "@millpond/sdk";
import { expect, test } from "vitest";
import { grpcFrame, http2Request, postJson } from "../rpc/server-harness.ts";
import { createTestDatabase } from "../support/database.ts";
import { encodedField, repeated } from "../support/encoded-fields.ts";
import { startServeProcess } from "../support/serve-process.ts";

/** The largest message that a server takes when it is not told. */
const messageBytes = 16 * 1024 * 1024;
const service = "/millpond.v1.TaskService";
const empty = Buffer.alloc(0);

/** The smallest parts that there are, as many as fit. */
const messages: Record<string, Buffer> = {
  tasks: repeated(encodedField(4, empty), messageBytes / 2),
  rules: encodedField(4, repeated(encodedField(16, empty), messageBytes / 3 - 10)),
  values: encodedField(4, encodedField(7, encodedField(6, repeated(encodedField(1, empty), messageBytes / 2 - 20)))),
  members: encodedField(4, encodedField(6, repeated(encodedField(1, empty), messageBytes / 2 - 20))),
  "unknown fields": repeated([0x78, 0], messageBytes / 2),
};

test.each(["true", "false"])(
  "a server with 512 MiB outlives messages of the smallest parts, with the fast path: %s",
  async (fastPath) => {
    await using database = await createTestDatabase();
    const server = await startServeProcess({
      ...{ PORT: "0", DATABASE_URL: database.url, MILLPOND_RPC_FAST_PATH: fastPath },
      NODE_OPTIONS: "--max-old-space-size=512",
    });
    try {
      const grpc = async (path: string, body: Buffer, headers = {}) => {
        const sent = { ":path": path, "content-type": "application/grpc", ...headers };
        const answer = await http2Request(server.url, sent, body);
        return Number(answer.trailers["grpc-status"] ?? answer.headers["grpc-status"]);
      };
      const refused = [Code.InvalidArgument, Code.ResourceExhausted];
      for (const [what, message] of Object.entries(messages)) {
        const gzip = grpcFrame(gzipSync(message));
        gzip[0] = 1;
        expect(refused, what).toContain(await grpc(`${service}/CreateTasks`, grpcFrame(message)));
        expect(refused, what).toContain(await grpc(`${service}/CreateTasks`, gzip, { "grpc-encoding": "gzip" }));
        expect(refused, what).toContain(await grpc(`${service}/UploadTasks`, grpcFrame(message)));
      }
      for (const list of ['"tasks":[', '"tasks":[{"rules":[', '"tasks":[{"input":[', '"x":[']) {
        for (const item of ["{},", "0,", "[],"]) {
          const json = `{${list}${item.repeat(5_000_000)}`;
          expect((await postJson(`${server.url}${service}/CreateTasks`, json)).status, list + item).toBeOneOf([
            400, 429,
          ]);
        }
      }
      const deep = `{"tasks":[{"input":${'{"":'.repeat(4_000_000)}`;
      expect((await postJson(`${server.url}${service}/CreateTasks`, deep)).status).toBe(400);
      const client = createClient({ address: server.url, retry: false });
      expect((await client.tasks.createTasks({ tasks: [{ name: "after", kind: "k" }] })).tasks).toHaveLength(1);
    } finally {
      expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });
    }
  },
);
