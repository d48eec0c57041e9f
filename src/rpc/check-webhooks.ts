import { MillpondError } from "../domain/errors.ts";
import type { NewBatch } from "../gen/millpond/v1/batch_pb.ts";
import type { NewTask } from "../gen/millpond/v1/task_pb.ts";
import type { Webhook } from "../gen/millpond/v1/webhook_pb.ts";
import { checkHeaders } from "../webhooks/header-rules.ts";
import type { UrlGuard } from "../webhooks/url-guard.ts";
import { jsonBytesMax, valueText } from "../wire/json.ts";

/**
 * Checks every webhook of a creation: its URL by the guard (URL_FORBIDDEN), its headers and the size of its body
 * (INVALID_FIELD). `newBatch` is the batch that is created with the tasks, if one is; `before` counts the tasks of the
 * request that came in earlier messages.
 */
export function checkWebhooks(
  urlGuard: Pick<UrlGuard, "check">,
  tasks: readonly NewTask[],
  newBatch: NewBatch | undefined,
  before = 0,
): void {
  const checkAll = (webhooks: readonly Webhook[], field: string): void => {
    for (const [n, webhook] of webhooks.entries()) checkWebhook(urlGuard, webhook, `${field}[${n}]`);
  };
  for (const [n, task] of tasks.entries()) {
    const field = `tasks[${before + n}]`;
    if (task.execution.case === "onStart") checkWebhook(urlGuard, task.execution.value, `${field}.on_start`);
    checkAll(task.onSuccess, `${field}.on_success`);
    checkAll(task.onFailure, `${field}.on_failure`);
    checkAll(task.onCancel, `${field}.on_cancel`);
  }
  checkAll(newBatch?.onComplete ?? [], "new_batch.on_complete");
}

function checkWebhook(urlGuard: Pick<UrlGuard, "check">, { url, headers, body }: Webhook, field: string): void {
  const forbidden = urlGuard.check(url);
  if (forbidden !== undefined) {
    const violations = [{ field: `${field}.url`, description: forbidden }];
    const metadata = { url: withoutCredentials(url) };
    throw new MillpondError("URL_FORBIDDEN", `${field}.url: ${forbidden}`, { metadata, violations });
  }
  const wrong = checkHeaders(headers);
  if (wrong !== undefined) {
    const violations = [{ field: `${field}.headers`, description: wrong }];
    throw new MillpondError("INVALID_FIELD", `${field}.headers: ${wrong}`, { violations });
  }
  valueText(body, { field: `${field}.body`, bytesMax: jsonBytesMax.webhookBody });
}

/** An error is written to logs, of callers too. */
function withoutCredentials(url: string): string {
  return url.replace(/^(\s*[a-z]+:[/\\]*)[^/?#\\]*@/i, "$1…@");
}
