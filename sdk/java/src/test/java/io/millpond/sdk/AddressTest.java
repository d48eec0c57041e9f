package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AddressTest {
  @ParameterizedTest
  @CsvSource({
    "http://127.0.0.1:8085, http://127.0.0.1:8085, 127.0.0.1, 8085, false",
    "127.0.0.1:8085, http://127.0.0.1:8085, 127.0.0.1, 8085, false",
    "localhost, http://localhost, localhost, 80, false",
    "https://millpond.example/, https://millpond.example, millpond.example, 443, true",
    "HTTPS://millpond.example:8443, HTTPS://millpond.example:8443, millpond.example, 8443, true",
    "http://[::1]:8085, http://[::1]:8085, [::1], 8085, false",
    "task_server:8085, http://task_server:8085, task_server, 8085, false",
  })
  void readsAnAddress(String given, String text, String host, int port, boolean isSecure) {
    assertEquals(new Address(text, host, port, isSecure), Address.parse(given));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "http://",
        "ftp://127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:port",
        "http://user:secret@127.0.0.1",
        "http://127.0.0.1/path",
        "http://127.0.0.1?query",
        "two words",
      })
  void refusesWhatIsNone(String given) {
    IllegalArgumentException error =
        assertThrows(IllegalArgumentException.class, () -> MillpondClient.connect(given));
    assertTrue(error.getMessage().contains("\"" + given + "\" is no address of a server"));
  }

  @Test
  void isWhatTheClientTells() {
    try (MillpondClient client = MillpondClient.connect("127.0.0.1:8085")) {
      assertEquals("http://127.0.0.1:8085", client.address());
    }
  }
}
