package io.millpond.conformance;

import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.millpond.sdk.MillpondClient;
import java.util.concurrent.CountDownLatch;

/** The ops about workers. */
final class WorkerOps {
  private final Named<MillpondClient> clients;
  private final Named<WorkerProbe> workers = new Named<>("worker");
  private final CountDownLatch closed = new CountDownLatch(1);
  private boolean isHooked;
  private volatile boolean isTerminated;

  WorkerOps(Named<MillpondClient> clients) {
    this.clients = clients;
  }

  /** Begins to stop a worker, before another line is read: what comes then comes later. */
  void announce(JsonObject request) {
    if (Wire.text(request, "op").filter("worker.stop"::equals).isPresent()) {
      Wire.text(request, "worker").flatMap(workers::find).ifPresent(WorkerProbe::beginStop);
    }
  }

  JsonObject open(JsonObject request) throws RunnerError {
    MillpondClient client = clients.get(request.get("client").getAsString());
    if (Wire.flag(request, "stopOnSigterm").orElse(false)) {
      outliveSigterm();
    }
    WorkerProbe worker = new WorkerProbe(client, request);
    workers.put(request.get("worker").getAsString(), worker);
    return Wire.object("workerId", new JsonPrimitive(worker.workerId()));
  }

  JsonObject release(JsonObject request) throws RunnerError {
    worker(request).release();
    return new JsonObject();
  }

  JsonObject state(JsonObject request) throws RunnerError {
    return worker(request).state();
  }

  JsonObject stop(JsonObject request) throws RunnerError {
    worker(request).stop();
    return new JsonObject();
  }

  /** Waits for workers that stop. */
  void awaitStops() {
    workers.all().forEach(worker -> worker.awaitStop(isTerminated));
  }

  /** Says that the runner has closed everything. */
  void close() {
    closed.countDown();
  }

  private WorkerProbe worker(JsonObject request) throws RunnerError {
    return workers.get(request.get("worker").getAsString());
  }

  /**
   * A virtual machine that got SIGTERM ends, with status 143, when its shutdown hooks have: one
   * that waits for the end of stdin goes on to answer until then, and ends with status 0.
   */
  private synchronized void outliveSigterm() {
    if (isHooked) {
      return;
    }
    isHooked = true;
    Thread hook =
        new Thread(
            () -> {
              isTerminated = true;
              try {
                closed.await();
              } catch (InterruptedException nobodyDoes) {
                Thread.currentThread().interrupt();
              }
              Runtime.getRuntime().halt(0);
            });
    Runtime.getRuntime().addShutdownHook(hook);
  }
}
