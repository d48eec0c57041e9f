package io.millpond.sdk;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import io.millpond.v1.ErrorReason;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What a server says about an error beside its code and message.
 *
 * @param isOfMillpond whether it was Millpond itself that failed the call
 * @param reason unspecified when it is not, or when this version does not know the reason
 * @param metadata the facts of the reason
 * @param fieldViolations the fields that were refused
 * @param retryDelay the delay asked for; null: none
 */
record ErrorDetails(
    boolean isOfMillpond,
    ErrorReason reason,
    Map<String, String> metadata,
    List<FieldViolation> fieldViolations,
    Duration retryDelay) {
  static final ErrorDetails NONE =
      new ErrorDetails(false, ErrorReason.ERROR_REASON_UNSPECIFIED, Map.of(), List.of(), null);

  private static final String DOMAIN = "millpond";
  private static final String REASON_PREFIX = "ERROR_REASON_";

  /** Reads the details of what a call of gRPC failed with. */
  static ErrorDetails of(Throwable error, Code code) {
    List<Any> details = detailsOf(error);
    ErrorInfo info =
        all(details, ErrorInfo.class).stream()
            .filter(each -> each.getDomain().equals(DOMAIN))
            .findFirst()
            .orElse(null);
    return new ErrorDetails(
        info != null,
        info == null ? ErrorReason.ERROR_REASON_UNSPECIFIED : reasonOf(info.getReason()),
        info == null ? Map.of() : Map.copyOf(info.getMetadataMap()),
        all(details, BadRequest.class).stream()
            .flatMap(each -> each.getFieldViolationsList().stream())
            .map(each -> new FieldViolation(each.getField(), each.getDescription()))
            .toList(),
        retryDelayOf(details, code));
  }

  /** The name of a reason as servers write it, without the enum's prefix. */
  static String nameOf(ErrorReason reason) {
    return reason.name().substring(REASON_PREFIX.length());
  }

  private static ErrorReason reasonOf(String name) {
    try {
      return ErrorReason.valueOf(REASON_PREFIX + name);
    } catch (IllegalArgumentException unknown) {
      return ErrorReason.ERROR_REASON_UNSPECIFIED;
    }
  }

  private static Duration retryDelayOf(List<Any> details, Code code) {
    if (code != Code.UNAVAILABLE && code != Code.RESOURCE_EXHAUSTED) {
      return null;
    }
    return all(details, RetryInfo.class).stream()
        .filter(RetryInfo::hasRetryDelay)
        .map(each -> Durations.toJava(each.getRetryDelay()))
        .map(delay -> delay.isNegative() ? Duration.ZERO : delay)
        .findFirst()
        .orElse(null);
  }

  private static List<Any> detailsOf(Throwable error) {
    try {
      com.google.rpc.Status status = StatusProto.fromThrowable(error);
      return status == null ? List.of() : status.getDetailsList();
    } catch (IllegalArgumentException unreadable) {
      // Something between here and the server wrote a trailer of its own.
      return List.of();
    }
  }

  private static <T extends Message> List<T> all(List<Any> details, Class<T> type) {
    List<T> found = new ArrayList<>();
    for (Any each : details) {
      try {
        if (each.is(type)) {
          found.add(each.unpack(type));
        }
      } catch (InvalidProtocolBufferException unreadable) {
        // A detail that cannot be read says no less than one that is not there.
      }
    }
    return found;
  }
}
