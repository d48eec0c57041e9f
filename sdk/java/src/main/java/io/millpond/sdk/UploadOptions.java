package io.millpond.sdk;

import java.util.Objects;
import java.util.UUID;

/**
 * How a graph is uploaded.
 *
 * @param requestId makes the upload safe to repeat for 24 hours, by this program or the next; at
 *     most 255 characters
 * @param partSize how many tasks go into one message at most, from 1 to 5,000
 */
public record UploadOptions(String requestId, int partSize) {
  private static final int PART_SIZE_MAX = 5_000;

  /**
   * Checks the options.
   *
   * @param requestId not null
   * @param partSize from 1 to 5,000
   */
  public UploadOptions {
    Objects.requireNonNull(requestId, "requestId");
    if (partSize < 1 || partSize > PART_SIZE_MAX) {
      throw new IllegalArgumentException(
          "partSize is %d; a part has from 1 to %d tasks".formatted(partSize, PART_SIZE_MAX));
    }
  }

  /**
   * Answers the defaults: a new request id, and parts of at most 5,000 tasks.
   *
   * @return the options
   */
  public static UploadOptions defaults() {
    return new UploadOptions(UUID.randomUUID().toString(), PART_SIZE_MAX);
  }

  /**
   * Answers the same options with another request id.
   *
   * @param requestId at most 255 characters
   * @return the options
   */
  public UploadOptions withRequestId(String requestId) {
    return new UploadOptions(requestId, partSize);
  }

  /**
   * Answers the same options with another size of parts.
   *
   * @param partSize from 1 to 5,000
   * @return the options
   */
  public UploadOptions withPartSize(int partSize) {
    return new UploadOptions(requestId, partSize);
  }
}
