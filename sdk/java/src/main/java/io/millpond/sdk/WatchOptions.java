package io.millpond.sdk;

import java.time.Duration;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * How a watch deals with a connection that breaks.
 *
 * @param silenceMax a stream that says nothing for so long is taken for broken
 * @param onInterrupted is told of each connection that broke before the watch goes on, by the
 *     thread that reads
 */
public record WatchOptions(Duration silenceMax, Consumer<MillpondException> onInterrupted) {
  private static final WatchOptions DEFAULTS =
      new WatchOptions(Duration.ofSeconds(45), interruption -> {});

  /**
   * Checks the options.
   *
   * @param silenceMax more than nothing
   * @param onInterrupted not null
   */
  public WatchOptions {
    Objects.requireNonNull(onInterrupted, "onInterrupted");
    if (silenceMax.isNegative() || silenceMax.isZero()) {
      throw new IllegalArgumentException("silenceMax is " + silenceMax + "; it must be positive");
    }
  }

  /**
   * Answers the defaults: 45 s of silence, where the server speaks every 15 s, and nobody is told.
   *
   * @return the options
   */
  public static WatchOptions defaults() {
    return DEFAULTS;
  }

  /**
   * Answers the same options with another silence.
   *
   * @param silenceMax more than nothing
   * @return the options
   */
  public WatchOptions withSilenceMax(Duration silenceMax) {
    return new WatchOptions(silenceMax, onInterrupted);
  }

  /**
   * Answers the same options with another listener.
   *
   * @param onInterrupted is told of each connection that broke
   * @return the options
   */
  public WatchOptions withOnInterrupted(Consumer<MillpondException> onInterrupted) {
    return new WatchOptions(silenceMax, onInterrupted);
  }
}
