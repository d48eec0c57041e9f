package io.millpond.conformance;

import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Things that the harness has named. */
final class Named<T> {
  private final String noun;
  private final Map<String, T> things = new ConcurrentHashMap<>();

  /** Knows no things yet; the noun is for errors. */
  Named(String noun) {
    this.noun = noun;
  }

  void put(String name, T thing) {
    things.put(name, thing);
  }

  T get(String name) throws RunnerError {
    T thing = things.get(name);
    if (thing == null) {
      throw new RunnerError("there is no " + noun + " \"" + name + "\"");
    }
    return thing;
  }

  Collection<T> all() {
    return things.values();
  }
}
