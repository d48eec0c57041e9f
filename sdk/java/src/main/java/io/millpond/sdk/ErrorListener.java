package io.millpond.sdk;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Tells a worker's error listener what goes wrong, one error after the other, on a thread of its
 * own: the listener may stop the worker and wait for that, or block, or throw.
 */
final class ErrorListener implements Consumer<Throwable> {
  /** What may wait for a listener that blocks; what comes beyond is dropped. */
  private static final int WAITING_MAX = 1_000;

  private static final System.Logger LOGGER = System.getLogger(Worker.class.getName());

  private final Consumer<Throwable> listener;
  private final ThreadPoolExecutor thread;

  ErrorListener(Consumer<Throwable> listener) {
    this.listener = listener;
    this.thread =
        new ThreadPoolExecutor(
            1,
            1,
            10,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(WAITING_MAX),
            Threads.daemons("millpond-listener"),
            new ThreadPoolExecutor.DiscardPolicy());
    this.thread.allowCoreThreadTimeOut(true);
  }

  @Override
  public void accept(Throwable error) {
    thread.execute(() -> tell(error));
  }

  /** Takes no more; what has been taken is told. */
  void close() {
    thread.shutdown();
  }

  private void tell(Throwable error) {
    try {
      listener.accept(error);
    } catch (RuntimeException | Error thrown) {
      LOGGER.log(System.Logger.Level.WARNING, "the worker's error listener threw", thrown);
    }
  }
}
