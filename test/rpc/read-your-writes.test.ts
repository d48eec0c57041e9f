import { expect, test } from "vitest";
import { setup } from "../support/setup.ts";

test("ListEvents tells what was committed before the call, whichever server was told, also behind a creation that was rolled back", async () => {
  await using first = await setup();
  const second = await first.another();
  for (let n = 0; n < 50; n += 1) {
    const tasks = [{ name: `${n}`, kind: "k" }];
    await first.client.tasks.createTasks({ tasks, validateOnly: true });
    const { batch } = await first.client.tasks.createTasks({ tasks });
    const { events } = await second.client.events.listEvents({ filter: { batchIds: [batch?.batchId ?? ""] } });
    expect(events.map((event) => event.payload.case)).toEqual(["batchStatusChanged", "taskCreated"]);
  }
});
