/**
 * The Java runner of the conformance suite: one op after the other, as it is told, with the SDK.
 */
package io.millpond.conformance;
