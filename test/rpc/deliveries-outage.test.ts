import { expect, onTestFinished, test } from "vitest";
import { startReceiver } from "../webhooks/receiver.ts";
import { eventually, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

test("a delivery that was taken and whose secrets could not be read is made soon, not after its lease", async () => {
  const target = await startReceiver((response) => response.end());
  onTestFinished(() => target[Symbol.asyncDispose]());
  await server.query("alter table namespace rename column webhook_secret to webhook_secret_away");
  const kind = newKind();
  const { ids } = await server.graph([{ key: "a", name: "a", kind, onSuccess: [{ url: target.url }] }]);
  await server.succeed(await server.claimOne(kind));
  const taskId = ids.a ?? "";
  await eventually(async () => {
    const { deliveries } = await server.client.deliveries.listDeliveries({ taskId });
    return deliveries[0]?.lastError === "the call failed inside the server";
  }, "the delivery to fail");
  expect(target.calls).toEqual([]);
  await server.query("alter table namespace rename column webhook_secret_away to webhook_secret");
  await eventually(async () => target.calls.length === 1, "the delivery to be made");
});
