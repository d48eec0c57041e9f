package io.millpond.conformance;

import com.google.gson.JsonObject;

/** Does what an op asks for, and answers what its {@code ok} holds. */
@FunctionalInterface
interface Op {
  JsonObject run(JsonObject request) throws Exception;
}
