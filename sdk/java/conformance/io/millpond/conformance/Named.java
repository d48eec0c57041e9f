package io.millpond.conformance;

import java.util.Collection;
import java.util.Map;
import java.util.Optional;
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

  Optional<T> find(String name) {
    return Optional.ofNullable(things.get(name));
  }

  T get(String name) throws RunnerError {
    return find(name)
        .orElseThrow(() -> new RunnerError("there is no " + noun + " \"" + name + "\""));
  }

  Collection<T> all() {
    return things.values();
  }
}
