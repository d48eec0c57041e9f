package io.millpond.sdk;

/**
 * A field that the server refused.
 *
 * @param field its path in the request, such as {@code tasks[3].kind}
 * @param description what is wrong with it
 */
public record FieldViolation(String field, String description) {}
