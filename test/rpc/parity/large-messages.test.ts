import { expect, test } from "vitest";
import { encodedField, repeated } from "../../support/encoded-fields.ts";
import { grpcFrame, http2Request } from "../server-harness.ts";
import { expectSame, startPair } from "./parity-servers.ts";

const path = "/millpond.v1.TaskService/CreateTasks";
const empty = Buffer.alloc(0);
const values = repeated(encodedField(1, empty), 2_000_001);

const binary: [string, Buffer, RegExp][] = [
  ["too many items", repeated(encodedField(4, empty), 400_000), /^tasks: must contain no more than 10000 item\(s\)$/],
  [
    "too many further in",
    encodedField(4, repeated(encodedField(16, empty), 200_000)),
    /^tasks\[0\]\.rules: must contain no more than 20 item\(s\)$/,
  ],
  [
    "too many values",
    encodedField(4, encodedField(7, encodedField(6, values))),
    /^the message has more than 2000000 messages within it/,
  ],
  [
    "too many items, and then garbage",
    Buffer.concat([repeated(encodedField(4, empty), 400_000), Buffer.from([7])]),
    /^tasks: must/,
  ],
  [
    "garbage, and then too many items",
    Buffer.concat([Buffer.from([7]), repeated(encodedField(4, empty), 400_000)]),
    /^cannot decode message/,
  ],
];

test.each(binary)(
  "large messages are refused alike, with the fast path and without: %s",
  async (_name, message, said) => {
    const pair = await startPair({ maxMessageBytes: 8 * 1024 * 1024 });
    const overGrpc = await expectSame(pair, ({ url }) =>
      http2Request(url, { ":path": path, "content-type": "application/grpc" }, grpcFrame(message)),
    );
    const { trailers, headers } = (overGrpc as { result: Record<"trailers" | "headers", Record<string, string>> })
      .result;
    expect(trailers["grpc-message"] ?? headers["grpc-message"]).toMatch(said);
    const overConnect = await expectSame(pair, (server) => post(server.url, "application/proto", message));
    expect((overConnect as { result: { message: string } }).result.message).toMatch(said);
  },
);

test.each<[string, string, RegExp]>([
  ["too many items", `{"tasks":[${"{},".repeat(300_000)}{}]}`, /^tasks: must contain no more than 10000 item\(s\)$/],
  [
    "too many values",
    `{"tasks":[{"input":[${"0,".repeat(4_000_000)}0]}]}`,
    /^the message has more than 4000000 values in its JSON/,
  ],
  ["no JSON", `{"tasks":[${`{"name":"${"n".repeat(50)}"},`.repeat(9_000)}`, /^cannot decode message .* from JSON/],
])("large JSON is refused alike, with the fast path and without: %s", async (_name, json, said) => {
  const pair = await startPair({ maxMessageBytes: 16 * 1024 * 1024 });
  const answer = await expectSame(pair, (server) => post(server.url, "application/json", json));
  expect((answer as { result: { message: string } }).result.message).toMatch(said);
});

async function post(url: string, type: string, body: Buffer | string) {
  const sent = typeof body === "string" ? body : new Uint8Array(body);
  const answer = await fetch(url + path, { method: "POST", headers: { "content-type": type }, body: sent });
  return { status: answer.status, ...((await answer.json()) as object) };
}
