package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServiceDescriptor;
import io.millpond.v1.BatchServiceGrpc;
import io.millpond.v1.DeliveryServiceGrpc;
import io.millpond.v1.EventServiceGrpc;
import io.millpond.v1.TaskServiceGrpc;
import io.millpond.v1.WorkerServiceGrpc;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ServicesTest {
  static List<Arguments> services() {
    return List.of(
        Arguments.of(TaskServiceGrpc.getServiceDescriptor(), Tasks.class),
        Arguments.of(BatchServiceGrpc.getServiceDescriptor(), Batches.class),
        Arguments.of(EventServiceGrpc.getServiceDescriptor(), Events.class),
        Arguments.of(WorkerServiceGrpc.getServiceDescriptor(), Workers.class),
        Arguments.of(DeliveryServiceGrpc.getServiceDescriptor(), Deliveries.class));
  }

  @ParameterizedTest
  @MethodSource("services")
  void haveEveryUnaryCallTwice(ServiceDescriptor service, Class<?> calls) {
    Set<String> expected =
        service.getMethods().stream()
            .filter(method -> method.getType() == MethodType.UNARY)
            .map(MethodDescriptor::getBareMethodName)
            .map(name -> Character.toLowerCase(name.charAt(0)) + name.substring(1))
            .flatMap(name -> Stream.of(name, name + "Async"))
            .collect(Collectors.toCollection(TreeSet::new));
    expected.add("withTimeout");
    Set<String> found =
        Arrays.stream(calls.getDeclaredMethods())
            .filter(method -> !method.isSynthetic())
            .map(Method::getName)
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(expected, found);
  }
}
