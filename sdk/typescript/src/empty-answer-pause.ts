/** An empty answer that comes sooner, and before the wait that was asked for, is of a server that does not wait. */
const emptyAnswerMinMs = 100;
/** The pause after such an answer is drawn between these, so that clients which wait for the same do not come back together. */
const pauseMs = { min: 750, max: 1_250 };

/** emptyAnswerPauseMs is how long to pause after an empty answer to a call that was to wait: where the server has not waited, asking again at once would only make both sides busy. 0: it has. */
export function emptyAnswerPauseMs(tookMs: number, waitMs: number): number {
  if (tookMs >= emptyAnswerMinMs || (waitMs > 0 && tookMs >= waitMs)) return 0;
  return pauseMs.min + Math.random() * (pauseMs.max - pauseMs.min);
}
