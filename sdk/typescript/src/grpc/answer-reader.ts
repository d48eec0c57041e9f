import { type ContextKey, createContextKey } from "@connectrpc/connect";

/** AnswerReader makes the message of an answer from its bytes, which nobody changes afterwards. Throws when they are none. */
export type AnswerReader = (bytes: Uint8Array) => object;

/**
 * answerReader is set on a call whose caller does not look at all of the answer: what it makes stands in for the message
 * that the library would decode. It is a wish: a transport that has no bytes to give decodes the message as ever.
 */
export const answerReader: ContextKey<AnswerReader | undefined> = createContextKey<AnswerReader | undefined>(
  undefined,
  { description: "answer reader" },
);
