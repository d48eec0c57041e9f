package io.millpond.sdk;

import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * One thread that does everything a worker decides, one thing after the other: what only it touches
 * needs no lock. When it is closed, what has not begun is dropped.
 */
final class EventLoop implements Executor {
  private final ScheduledThreadPoolExecutor thread;
  private final Consumer<Throwable> onFailure;

  /** Makes a loop with its thread; what a task of it throws goes to the listener. */
  EventLoop(String name, Consumer<Throwable> onFailure) {
    this.thread = new ScheduledThreadPoolExecutor(1, Threads.daemons(name));
    this.thread.setRemoveOnCancelPolicy(true);
    this.thread.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
    this.onFailure = onFailure;
  }

  @Override
  public void execute(Runnable task) {
    tryExecute(task);
  }

  /** Does something as soon as possible; answers whether it will: false when the loop is closed. */
  boolean tryExecute(Runnable task) {
    try {
      thread.execute(guarded(task));
      return true;
    } catch (RejectedExecutionException closed) {
      return false;
    }
  }

  /** Does something later; the future cancels it. Null: the loop is closed. */
  Future<?> after(long millis, Runnable task) {
    try {
      return thread.schedule(guarded(task), millis, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException closed) {
      return null;
    }
  }

  /** Cancels what {@link #after} answered; null is fine. */
  static void cancel(Future<?> later) {
    if (later != null) {
      later.cancel(false);
    }
  }

  void close() {
    thread.shutdown();
  }

  private Runnable guarded(Runnable task) {
    return () -> {
      try {
        task.run();
      } catch (RuntimeException | Error failure) {
        onFailure.accept(failure);
      }
    };
  }
}
