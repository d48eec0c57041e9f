import type { Webhook } from "./webhook-request.ts";

/** StartCall is one start webhook to be called: the claimed attempt and what its receiver is sent. */
export interface StartCall {
  readonly taskId: string;
  readonly attempt: number;
  readonly webhook: Webhook;
  /** What it is signed with, the current secret first. */
  readonly secrets: readonly Uint8Array[];
  /** The address to which the executor reports, made by `handleUrl`. */
  readonly handle: string;
  /** JSON text that is sent if the user gave no body: the Assignment as ProtoJSON. */
  readonly defaultBody: string;
}

/**
 * StartOutcome is what a start call came to.
 *
 *     started    2xx: the executor has it and will report; it may have asked for a call if it is to stop
 *     success    2xx whose body ended the task at once
 *     failure    2xx whose body failed the attempt at once
 *     rejected   3xx, or 4xx other than 408 and 429: final, a repetition would be answered alike
 *     failed     no answer in time, 408, 429, 5xx: a failed attempt under the retry policy
 *     forbidden  the guard or the header rules do not let it out: final, nothing was sent
 */
export type StartOutcome =
  | { readonly kind: "started"; readonly cancelWebhook?: Webhook }
  | { readonly kind: "success"; readonly output: unknown }
  | StartFailure
  | { readonly kind: "rejected"; readonly message: string; readonly code: string }
  | { readonly kind: "failed"; readonly message: string; readonly code: string; readonly retryAfterMs?: number }
  | { readonly kind: "forbidden"; readonly message: string };

/** StartFailure is the failure that a receiver reported in its answer; absent fields are empty or undefined. */
export interface StartFailure {
  readonly kind: "failure";
  readonly message: string;
  readonly code: string;
  readonly details: unknown;
  readonly nonRetryable: boolean;
  /** The delay before the next attempt that the receiver asked for. */
  readonly retryDelayMs?: number;
}
