package io.millpond.sdk;

import io.millpond.v1.CreateTasksRequest;
import io.millpond.v1.NewTask;
import io.millpond.v1.UploadTasksRequest;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/**
 * The messages of an upload, made as they are sent: the first says where to, each of the others
 * holds some tasks. They are the same each time they are gone through, as the request id demands.
 */
final class UploadParts implements Iterable<UploadTasksRequest> {
  /** Well below the largest message that a server accepts by default, 16 MiB. */
  private static final int PART_BYTES_MAX = 4 * 1024 * 1024;

  private final UploadTasksRequest first;
  private final List<NewTask> tasks;
  private final int partSize;

  UploadParts(TaskGraph graph, UploadOptions options) {
    CreateTasksRequest target = graph.target();
    UploadTasksRequest.Builder request =
        UploadTasksRequest.newBuilder().setRequestId(options.requestId());
    if (target.hasBatchId()) {
      request.setBatchId(target.getBatchId());
    } else {
      request.setNewBatch(target.getNewBatch());
    }
    this.first = request.build();
    this.tasks = List.copyOf(graph.tasks());
    this.partSize = options.partSize();
  }

  @Override
  public Iterator<UploadTasksRequest> iterator() {
    return new Iterator<>() {
      private boolean hasBegun;
      private int next;

      @Override
      public boolean hasNext() {
        return !hasBegun || next < tasks.size();
      }

      @Override
      public UploadTasksRequest next() {
        if (!hasBegun) {
          hasBegun = true;
          return first;
        }
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        int end = endOfPart(next);
        UploadTasksRequest part =
            UploadTasksRequest.newBuilder().addAllTasks(tasks.subList(next, end)).build();
        next = end;
        return part;
      }
    };
  }

  /**
   * Where the part ends that begins with a task. A task that is larger than a part travels alone.
   */
  private int endOfPart(int start) {
    long bytes = tasks.get(start).getSerializedSize();
    int end = start + 1;
    while (end < tasks.size() && end - start < partSize) {
      bytes += tasks.get(end).getSerializedSize();
      if (bytes > PART_BYTES_MAX) {
        break;
      }
      end += 1;
    }
    return end;
  }
}
