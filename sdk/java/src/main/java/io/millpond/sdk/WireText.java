package io.millpond.sdk;

import java.util.ArrayList;
import java.util.List;

/** Text as the contract takes it: well-formed, without NUL, of bounded length. */
final class WireText {
  private static final char REPLACEMENT = '\uFFFD';
  private static final char NUL_SYMBOL = '\u2400';

  private WireText() {}

  /** The beginning of a text, without what the contract does not take. */
  static String of(String text, int lengthMax) {
    return pieces(text, lengthMax).get(0);
  }

  /** All of a text, in pieces of at most so many UTF-16 units; one at least. */
  static List<String> pieces(String text, int lengthMax) {
    String wellFormed = wellFormed(text);
    List<String> pieces = new ArrayList<>(1);
    int from = 0;
    do {
      int end = Math.min(from + lengthMax, wellFormed.length());
      // Not between the halves of a character.
      if (end < wellFormed.length() && Character.isLowSurrogate(wellFormed.charAt(end))) {
        end -= 1;
      }
      pieces.add(wellFormed.substring(from, end));
      from = end;
    } while (from < wellFormed.length());
    return pieces;
  }

  private static String wellFormed(String text) {
    StringBuilder copy = null;
    for (int i = 0; i < text.length(); i++) {
      char unit = text.charAt(i);
      boolean isPair =
          Character.isHighSurrogate(unit)
              && i + 1 < text.length()
              && Character.isLowSurrogate(text.charAt(i + 1));
      if (isPair) {
        i += 1;
      } else if (unit == 0 || Character.isSurrogate(unit)) {
        copy = copy == null ? new StringBuilder(text) : copy;
        copy.setCharAt(i, unit == 0 ? NUL_SYMBOL : REPLACEMENT);
      }
    }
    return copy == null ? text : copy.toString();
  }
}
