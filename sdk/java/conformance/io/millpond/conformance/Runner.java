package io.millpond.conformance;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.millpond.sdk.MillpondClient;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Reads an op per line from stdin and writes an answer per line to stdout, until stdin ends. */
final class Runner {
  private final Named<MillpondClient> clients = new Named<>("client");
  private final CallOps calls = new CallOps(clients);
  private final GraphOps graphs = new GraphOps(clients);
  private final ReadOps reads = new ReadOps(clients);
  private final WorkerOps workers = new WorkerOps(clients);
  private final PrintStream out;
  private final ExecutorService threads =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task, "op");
            thread.setDaemon(true);
            return thread;
          });
  private final Map<String, Op> ops =
      Map.ofEntries(
          Map.entry("hello", request -> hello()),
          Map.entry("client.open", calls::open),
          Map.entry("client.close", calls::close),
          Map.entry("call", calls::call),
          Map.entry("cancel", calls::cancel),
          Map.entry("stream", calls::stream),
          Map.entry("graph", graphs::graph),
          Map.entry("watch.open", reads::openWatch),
          Map.entry("watch.next", reads::nextOfWatch),
          Map.entry("watch.close", reads::closeWatch),
          Map.entry("logs", reads::logs),
          Map.entry("worker.open", workers::open),
          Map.entry("worker.release", workers::release),
          Map.entry("worker.state", workers::state),
          Map.entry("worker.stop", workers::stop));

  private Runner(PrintStream out) {
    this.out = out;
  }

  /**
   * Runs until stdin ends.
   *
   * @param args none
   * @throws IOException when stdin cannot be read
   */
  public static void main(String[] args) throws IOException {
    new Runner(new PrintStream(System.out, true, StandardCharsets.UTF_8)).run();
  }

  private void run() throws IOException {
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (!line.isBlank()) {
        begin(JsonParser.parseString(line).getAsJsonObject());
      }
    }
    reads.close();
    workers.awaitStops();
    clients.all().forEach(MillpondClient::close);
    workers.close();
  }

  private void begin(JsonObject request) {
    calls.announce(request);
    workers.announce(request);
    threads.execute(() -> answer(request));
  }

  private void answer(JsonObject request) {
    JsonObject answer = new JsonObject();
    answer.add("id", request.get("id"));
    try {
      String name = request.get("op").getAsString();
      Op op = ops.get(name);
      if (op == null) {
        throw new RunnerError("there is no op \"" + name + "\"");
      }
      answer.add("ok", op.run(request));
    } catch (Throwable error) {
      answer.add("error", Wire.errorOf(error));
    }
    String line = answer.toString();
    synchronized (out) {
      out.println(line);
    }
  }

  private static JsonObject hello() {
    JsonObject hello = new JsonObject();
    hello.addProperty("language", "java");
    hello.addProperty("version", MillpondClient.VERSION);
    return hello;
  }
}
