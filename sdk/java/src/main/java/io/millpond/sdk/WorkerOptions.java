package io.millpond.sdk;

import java.time.Duration;
import java.util.Map;
import java.util.function.Consumer;

/** What a worker is made of, as {@link Worker.Builder} has collected it. */
record WorkerOptions(
    Calls calls,
    String workerId,
    int slots,
    Map<String, String> labels,
    Map<String, TaskHandler> handlers,
    boolean isStreaming,
    Duration lease,
    Duration claimWait,
    Duration stopGrace,
    Duration silenceMax,
    Duration streamRetry,
    Consumer<Throwable> onError) {}
