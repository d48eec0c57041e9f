// A receiver of start webhooks: takes the call, answers at once, does its work, and reports to the handle. It knows
// nothing of Millpond but HTTP, so it looks alike in any language. Listens on 127.0.0.1:PORT, 9090 if that is not set.
import { createServer } from "node:http";
import { setTimeout as work } from "node:timers/promises";

// snippet: all
const receiver = createServer(async (request, response) => {
  const handle = new URL(request.url ?? "", "http://receiver").searchParams.get("handle") ?? "";
  const assignment = JSON.parse(await new Response(request).text());
  // Any 2xx says: it has started. The same Idempotency-Key again would be the same attempt.
  response.writeHead(202).end();
  console.log(`started ${request.headers["idempotency-key"]}`);

  const report = (body: object) => fetch(handle, { method: "POST", body: JSON.stringify(body) });
  await report({ heartbeat: { progress: { done: 0.5 } } });
  await work(200);
  const { status } = await report({ success: { output: { greeting: `hello, ${assignment.task.input.name}` } } });
  // 200: taken. 409: the task has ended, for example by CancelTasks. 410: this attempt is over.
  console.log(`reported ${assignment.task.key}: ${status}`);
});
// end: all
receiver.listen(Number(process.env.PORT ?? 9090), "127.0.0.1", () => {
  const address = receiver.address();
  console.log(`listening on http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
});
