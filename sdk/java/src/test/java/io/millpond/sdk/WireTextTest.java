package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class WireTextTest {
  @Test
  void keepsWhatTheContractTakes() {
    assertEquals(List.of(""), WireText.pieces("", 3));
    assertEquals(List.of("a😀b"), WireText.pieces("a😀b", 10));
  }

  @Test
  void cutsWhatIsTooLongButNoCharacter() {
    assertEquals(List.of("abc", "de"), WireText.pieces("abcde", 3));
    assertEquals(List.of("ab", "😀"), WireText.pieces("ab😀", 3));
    assertEquals("ab", WireText.of("ab😀", 3));
  }

  @Test
  void replacesWhatIsNotWellFormed() {
    assertEquals("a\u2400b", WireText.of("a\0b", 10));
    assertEquals("a\uFFFD\uFFFD", WireText.of("a\uDE00\uD83D", 10));
  }
}
