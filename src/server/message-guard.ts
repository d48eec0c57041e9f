import type { DescMessage } from "@bufbuild/protobuf";
import { toConnectError } from "../rpc/errors.ts";
import { createMessagePlans } from "../wire/message-plan.ts";
import { scanJson } from "../wire/scan-json.ts";
import { scanMessage } from "../wire/scan-message.ts";

/**
 * Up to so many bytes a message is not looked through before it is decoded: the smallest parts that there are take two bytes, and become objects of some hundred bytes each, which is some hundred megabytes
 * for as long as its validation takes. Nearly all messages are smaller, a call with a thousand tasks too, and cost nothing.
 */
export const guardedBytesMin = 512 * 1024;

/** MessageGuard refuses, before a message is decoded, what would become many times as large: it throws a ConnectError. */
export type MessageGuard = (input: DescMessage, bytes: Uint8Array, isBinary: boolean) => void;

/** Creates a {@link MessageGuard} that knows the bounds of the contract. */
export function createMessageGuard(): MessageGuard {
  const planOf = createMessagePlans();
  return (input, bytes, isBinary) => {
    if (bytes.byteLength <= guardedBytesMin) return;
    try {
      if (isBinary) scanMessage(planOf(input), bytes);
      else scanJson(planOf(input), bytes);
    } catch (error) {
      throw toConnectError(error) ?? error;
    }
  };
}
