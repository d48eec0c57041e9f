package io.millpond.conformance;

/** The thread of a blocking call, which is canceled by an interrupt: also before it has begun. */
final class CancelableThread {
  private Thread thread;
  private boolean isCanceled;

  synchronized void begin() {
    thread = Thread.currentThread();
    if (isCanceled) {
      thread.interrupt();
    }
  }

  synchronized void cancel() {
    isCanceled = true;
    if (thread != null) {
      thread.interrupt();
    }
  }

  /** Leaves the thread as it was. */
  synchronized void end() {
    thread = null;
    Thread.interrupted();
  }
}
