package io.millpond.sdk;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a server is.
 *
 * @param text as people know it, with its scheme: {@code http://127.0.0.1:8085}
 * @param host a name, an IPv4 address, or an IPv6 address in brackets
 * @param port from 1 to 65,535
 * @param isSecure whether TLS is spoken
 */
record Address(String text, String host, int port, boolean isSecure) {
  private static final Pattern SCHEME = Pattern.compile("^[a-zA-Z][a-zA-Z0-9+.-]*://");

  /**
   * A host and a port. {@link URI} knows no host names with an underscore, which containers have.
   */
  private static final Pattern AUTHORITY =
      Pattern.compile("(\\[[0-9a-fA-F:.]+\\]|[^\\[\\]:@]+)(?::([0-9]{1,5}))?");

  private static final int PORT_MAX = 65_535;

  /**
   * Reads an address. Without a scheme, {@code http://} is meant; without a port, that of the
   * scheme.
   *
   * @throws IllegalArgumentException when it is none
   */
  static Address parse(String address) {
    String text = SCHEME.matcher(address).find() ? address : "http://" + address;
    try {
      return of(new URI(text), text.replaceAll("/+$", ""));
    } catch (URISyntaxException | IllegalArgumentException cause) {
      throw new IllegalArgumentException(
          "\"%s\" is no address of a server; give one such as http://127.0.0.1:8085"
              .formatted(address),
          cause);
    }
  }

  private static Address of(URI uri, String text) {
    boolean isSecure =
        switch (uri.getScheme().toLowerCase(Locale.ROOT)) {
          case "http" -> false;
          case "https" -> true;
          default -> throw new IllegalArgumentException("the scheme is neither http nor https");
        };
    if (uri.getQuery() != null || uri.getFragment() != null) {
      throw new IllegalArgumentException("it has a query or a fragment");
    }
    if (uri.getPath() != null && !uri.getPath().matches("/*")) {
      throw new IllegalArgumentException("it has a path, and gRPC knows none");
    }
    String authority = uri.getAuthority() == null ? "" : uri.getAuthority();
    Matcher matcher = AUTHORITY.matcher(authority);
    if (!matcher.matches()) {
      throw new IllegalArgumentException("it has no host, or more than a host and a port");
    }
    String port = matcher.group(2);
    return new Address(text, matcher.group(1), portOf(port, isSecure), isSecure);
  }

  private static int portOf(String text, boolean isSecure) {
    if (text == null) {
      return isSecure ? 443 : 80;
    }
    int port = Integer.parseInt(text);
    if (port < 1 || port > PORT_MAX) {
      throw new IllegalArgumentException("the port is not from 1 to 65535");
    }
    return port;
  }
}
