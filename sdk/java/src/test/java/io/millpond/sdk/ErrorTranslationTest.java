package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.millpond.v1.ErrorReason;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ErrorTranslationTest {
  private static final Address ADDRESS = Address.parse("http://127.0.0.1:1");
  private static final ErrorInfo INFO =
      ErrorInfo.newBuilder()
          .setDomain("millpond")
          .setReason("TASK_NOT_FOUND")
          .putMetadata("task_id", "7")
          .build();

  @Test
  void readsWhatMillpondSays() {
    MillpondException error = translate(error(Code.NOT_FOUND, "there is no task 7", INFO));
    assertEquals(Status.Code.NOT_FOUND, error.code());
    assertEquals(ErrorReason.ERROR_REASON_TASK_NOT_FOUND, error.reason());
    assertEquals("there is no task 7", error.getMessage());
    assertEquals(Map.of("task_id", "7"), error.metadata());
    assertEquals(List.of(), error.fieldViolations());
    assertEquals(Optional.empty(), error.retryDelay());
    assertFalse(error.isTransient());
  }

  @Test
  void readsFieldsInTheirOrder() {
    BadRequest request =
        BadRequest.newBuilder()
            .addFieldViolations(violation("tasks[3].kind", "is empty"))
            .addFieldViolations(violation("tasks[0].key", "is taken"))
            .build();
    assertEquals(
        List.of(
            new FieldViolation("tasks[3].kind", "is empty"),
            new FieldViolation("tasks[0].key", "is taken")),
        translate(error(Code.INVALID_ARGUMENT, "two fields", INFO, request)).fieldViolations());
  }

  @ParameterizedTest
  @CsvSource({
    "UNAVAILABLE, 2, PT2S",
    "RESOURCE_EXHAUSTED, 2, PT2S",
    "UNAVAILABLE, -1, PT0S",
    "INTERNAL, 2,",
  })
  void readsTheDelayThatTheServerAsksFor(Code code, long seconds, Duration delay) {
    RetryInfo info =
        RetryInfo.newBuilder()
            .setRetryDelay(com.google.protobuf.Duration.newBuilder().setSeconds(seconds))
            .build();
    Optional<Duration> read = translate(error(code, "later", INFO, info)).retryDelay();
    assertEquals(Optional.ofNullable(delay), read);
  }

  @Test
  void doesNotKnowReasonsOfOthers() {
    ErrorInfo unknown = INFO.toBuilder().setReason("FROM_THE_FUTURE").build();
    MillpondException ofFuture = translate(error(Code.ABORTED, "hm", unknown));
    assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, ofFuture.reason());
    assertEquals("hm", ofFuture.getMessage());
    ErrorInfo other = INFO.toBuilder().setDomain("elsewhere").build();
    MillpondException ofOthers = translate(error(Code.ABORTED, "hm", other));
    assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, ofOthers.reason());
    assertEquals(Map.of(), ofOthers.metadata());
    assertEquals("http://127.0.0.1:1: hm", ofOthers.getMessage());
  }

  @Test
  void survivesDetailsThatCannotBeRead() {
    Metadata trailers = new Metadata();
    Metadata.Key<byte[]> key =
        Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
    trailers.put(key, new byte[] {(byte) 0xff, 1, 2});
    MillpondException error = translate(Status.NOT_FOUND.asRuntimeException(trailers));
    assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, error.reason());
  }

  @Test
  void namesTheAddressAndTheCauseWhereMillpondSaysNothing() {
    Status refused =
        Status.UNAVAILABLE
            .withDescription("io exception")
            .withCause(
                new IOException(
                    "finishConnect(..) failed with error(-111): Connection refused: /127.0.0.1:1"));
    MillpondException error = translate(refused.asRuntimeException());
    assertEquals("http://127.0.0.1:1: Connection refused: /127.0.0.1:1", error.getMessage());
    assertTrue(error.isTransient());
    assertTrue(
        translate(Status.UNIMPLEMENTED.asRuntimeException())
            .getMessage()
            .contains("the server may be older than this SDK, or no Millpond"));
  }

  @ParameterizedTest
  @CsvSource({
    "INTERNAL, RST_STREAM closed stream. HTTP/2 error code: INTERNAL_ERROR, true",
    "CANCELLED, RST_STREAM closed stream. HTTP/2 error code: CANCEL, true",
    "INTERNAL, Encountered end-of-stream mid-frame, true",
    "UNKNOWN, channel closed, true",
    "INTERNAL, a bug, false",
    "CANCELLED, nobody waits for the answer any more, false",
    "DEADLINE_EXCEEDED, too late, false",
  })
  void knowsABrokenConnection(Status.Code code, String description, boolean isTransient) {
    StatusRuntimeException error =
        code.toStatus().withDescription(description).asRuntimeException();
    assertEquals(isTransient, translate(error).isTransient());
  }

  @Test
  void keepsWhatIsTranslated() {
    MillpondException error = translate(Status.ABORTED.asRuntimeException());
    assertSame(error, translate(error));
  }

  private static MillpondException translate(Throwable error) {
    return ErrorTranslation.translate(error, ADDRESS);
  }

  private static StatusRuntimeException error(Code code, String message, Message... details) {
    com.google.rpc.Status.Builder status =
        com.google.rpc.Status.newBuilder().setCode(code.getNumber()).setMessage(message);
    for (Message detail : details) {
      status.addDetails(Any.pack(detail));
    }
    return StatusProto.toStatusRuntimeException(status.build());
  }

  private static BadRequest.FieldViolation violation(String field, String description) {
    return BadRequest.FieldViolation.newBuilder()
        .setField(field)
        .setDescription(description)
        .build();
  }
}
