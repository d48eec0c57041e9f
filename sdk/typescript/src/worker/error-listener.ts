import { textOf } from "./failure-of.ts";

/**
 * errorListener makes a callback that neither throws nor leaves a rejection behind, whatever the wrapped one does: what
 * it throws becomes a warning of the process.
 */
export function errorListener(onError: ((error: unknown) => void) | undefined): (error: unknown) => void {
  return (error) => {
    // An async callback fits the type: its promise is awaited for its rejection.
    new Promise<void>((resolve) => resolve(onError?.(error))).catch((thrown) => {
      process.emitWarning(`the worker's onError threw: ${textOf(thrown)}`, "MillpondWarning");
    });
  };
}
