import { outcomeOfAnswer } from "./start-answer.ts";
import type { StartCall, StartOutcome } from "./start-call.ts";
import { startRequest } from "./start-request.ts";
import type { WebhookClient } from "./webhook-client.ts";

/** What {@link createStartCaller} works with. */
export interface StartCallerOptions {
  readonly client: WebhookClient;
  /** Default: `Date.now`. */
  readonly now?: () => number;
}

/** StartCaller calls start webhooks. It holds no state, so one serves any number of loops. */
export interface StartCaller {
  /**
   * Makes one call and says what it came to. It throws only the signal's reason, when the signal aborts: then nobody
   * knows whether the receiver has started.
   */
  call(start: StartCall, signal: AbortSignal): Promise<StartOutcome>;
}

/** createStartCaller makes a caller of start webhooks. */
export function createStartCaller({ client, now = Date.now }: StartCallerOptions): StartCaller {
  return {
    async call(start, signal) {
      const result = await client.send(start.webhook, () => startRequest(start, now()), signal);
      if (result.kind !== "answered") return result;
      const outcome = outcomeOfAnswer(result.answer, now());
      return outcome.kind === "started" ? checkCancelWebhook(outcome, client) : outcome;
    },
  };
}

/** A start whose answer asks for a call that may never be made has failed: nobody could tell its executor to stop. */
function checkCancelWebhook(
  outcome: Extract<StartOutcome, { kind: "started" }>,
  client: Pick<WebhookClient, "check">,
): StartOutcome {
  const forbidden = outcome.cancelWebhook === undefined ? undefined : client.check(outcome.cancelWebhook);
  if (forbidden === undefined) return outcome;
  return {
    kind: "rejected",
    code: "URL_FORBIDDEN",
    message: `the cancel webhook of the answer is refused: ${forbidden}`,
  };
}
