package io.millpond.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Tasks: creating graphs of them, reporting on them, changing them. Every answer follows the commit: what is
 * acknowledged is durable.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class TaskServiceGrpc {

  private TaskServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "millpond.v1.TaskService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.CreateTasksRequest,
      io.millpond.v1.CreateTasksResponse> getCreateTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateTasks",
      requestType = io.millpond.v1.CreateTasksRequest.class,
      responseType = io.millpond.v1.CreateTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.CreateTasksRequest,
      io.millpond.v1.CreateTasksResponse> getCreateTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.CreateTasksRequest, io.millpond.v1.CreateTasksResponse> getCreateTasksMethod;
    if ((getCreateTasksMethod = TaskServiceGrpc.getCreateTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getCreateTasksMethod = TaskServiceGrpc.getCreateTasksMethod) == null) {
          TaskServiceGrpc.getCreateTasksMethod = getCreateTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.CreateTasksRequest, io.millpond.v1.CreateTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.CreateTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.CreateTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("CreateTasks"))
              .build();
        }
      }
    }
    return getCreateTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.UploadTasksRequest,
      io.millpond.v1.UploadTasksResponse> getUploadTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UploadTasks",
      requestType = io.millpond.v1.UploadTasksRequest.class,
      responseType = io.millpond.v1.UploadTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.CLIENT_STREAMING)
  public static io.grpc.MethodDescriptor<io.millpond.v1.UploadTasksRequest,
      io.millpond.v1.UploadTasksResponse> getUploadTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.UploadTasksRequest, io.millpond.v1.UploadTasksResponse> getUploadTasksMethod;
    if ((getUploadTasksMethod = TaskServiceGrpc.getUploadTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getUploadTasksMethod = TaskServiceGrpc.getUploadTasksMethod) == null) {
          TaskServiceGrpc.getUploadTasksMethod = getUploadTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.UploadTasksRequest, io.millpond.v1.UploadTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.CLIENT_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UploadTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.UploadTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.UploadTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("UploadTasks"))
              .build();
        }
      }
    }
    return getUploadTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.GetTaskRequest,
      io.millpond.v1.GetTaskResponse> getGetTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetTask",
      requestType = io.millpond.v1.GetTaskRequest.class,
      responseType = io.millpond.v1.GetTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.GetTaskRequest,
      io.millpond.v1.GetTaskResponse> getGetTaskMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.GetTaskRequest, io.millpond.v1.GetTaskResponse> getGetTaskMethod;
    if ((getGetTaskMethod = TaskServiceGrpc.getGetTaskMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getGetTaskMethod = TaskServiceGrpc.getGetTaskMethod) == null) {
          TaskServiceGrpc.getGetTaskMethod = getGetTaskMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.GetTaskRequest, io.millpond.v1.GetTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetTask"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.GetTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.GetTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("GetTask"))
              .build();
        }
      }
    }
    return getGetTaskMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ListTasksRequest,
      io.millpond.v1.ListTasksResponse> getListTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListTasks",
      requestType = io.millpond.v1.ListTasksRequest.class,
      responseType = io.millpond.v1.ListTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ListTasksRequest,
      io.millpond.v1.ListTasksResponse> getListTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ListTasksRequest, io.millpond.v1.ListTasksResponse> getListTasksMethod;
    if ((getListTasksMethod = TaskServiceGrpc.getListTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getListTasksMethod = TaskServiceGrpc.getListTasksMethod) == null) {
          TaskServiceGrpc.getListTasksMethod = getListTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ListTasksRequest, io.millpond.v1.ListTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListTasks"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("ListTasks"))
              .build();
        }
      }
    }
    return getListTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.UpdateTaskRequest,
      io.millpond.v1.UpdateTaskResponse> getUpdateTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateTask",
      requestType = io.millpond.v1.UpdateTaskRequest.class,
      responseType = io.millpond.v1.UpdateTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.UpdateTaskRequest,
      io.millpond.v1.UpdateTaskResponse> getUpdateTaskMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.UpdateTaskRequest, io.millpond.v1.UpdateTaskResponse> getUpdateTaskMethod;
    if ((getUpdateTaskMethod = TaskServiceGrpc.getUpdateTaskMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getUpdateTaskMethod = TaskServiceGrpc.getUpdateTaskMethod) == null) {
          TaskServiceGrpc.getUpdateTaskMethod = getUpdateTaskMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.UpdateTaskRequest, io.millpond.v1.UpdateTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateTask"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.UpdateTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.UpdateTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("UpdateTask"))
              .build();
        }
      }
    }
    return getUpdateTaskMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ReportTasksRequest,
      io.millpond.v1.ReportTasksResponse> getReportTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ReportTasks",
      requestType = io.millpond.v1.ReportTasksRequest.class,
      responseType = io.millpond.v1.ReportTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ReportTasksRequest,
      io.millpond.v1.ReportTasksResponse> getReportTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ReportTasksRequest, io.millpond.v1.ReportTasksResponse> getReportTasksMethod;
    if ((getReportTasksMethod = TaskServiceGrpc.getReportTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getReportTasksMethod = TaskServiceGrpc.getReportTasksMethod) == null) {
          TaskServiceGrpc.getReportTasksMethod = getReportTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ReportTasksRequest, io.millpond.v1.ReportTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ReportTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ReportTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ReportTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("ReportTasks"))
              .build();
        }
      }
    }
    return getReportTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.StreamReportsRequest,
      io.millpond.v1.StreamReportsResponse> getStreamReportsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StreamReports",
      requestType = io.millpond.v1.StreamReportsRequest.class,
      responseType = io.millpond.v1.StreamReportsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<io.millpond.v1.StreamReportsRequest,
      io.millpond.v1.StreamReportsResponse> getStreamReportsMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.StreamReportsRequest, io.millpond.v1.StreamReportsResponse> getStreamReportsMethod;
    if ((getStreamReportsMethod = TaskServiceGrpc.getStreamReportsMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getStreamReportsMethod = TaskServiceGrpc.getStreamReportsMethod) == null) {
          TaskServiceGrpc.getStreamReportsMethod = getStreamReportsMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.StreamReportsRequest, io.millpond.v1.StreamReportsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StreamReports"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.StreamReportsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.StreamReportsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("StreamReports"))
              .build();
        }
      }
    }
    return getStreamReportsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.AddCountsRequest,
      io.millpond.v1.AddCountsResponse> getAddCountsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AddCounts",
      requestType = io.millpond.v1.AddCountsRequest.class,
      responseType = io.millpond.v1.AddCountsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.AddCountsRequest,
      io.millpond.v1.AddCountsResponse> getAddCountsMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.AddCountsRequest, io.millpond.v1.AddCountsResponse> getAddCountsMethod;
    if ((getAddCountsMethod = TaskServiceGrpc.getAddCountsMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getAddCountsMethod = TaskServiceGrpc.getAddCountsMethod) == null) {
          TaskServiceGrpc.getAddCountsMethod = getAddCountsMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.AddCountsRequest, io.millpond.v1.AddCountsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AddCounts"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.AddCountsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.AddCountsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("AddCounts"))
              .build();
        }
      }
    }
    return getAddCountsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.StreamCountsRequest,
      io.millpond.v1.StreamCountsResponse> getStreamCountsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StreamCounts",
      requestType = io.millpond.v1.StreamCountsRequest.class,
      responseType = io.millpond.v1.StreamCountsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<io.millpond.v1.StreamCountsRequest,
      io.millpond.v1.StreamCountsResponse> getStreamCountsMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.StreamCountsRequest, io.millpond.v1.StreamCountsResponse> getStreamCountsMethod;
    if ((getStreamCountsMethod = TaskServiceGrpc.getStreamCountsMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getStreamCountsMethod = TaskServiceGrpc.getStreamCountsMethod) == null) {
          TaskServiceGrpc.getStreamCountsMethod = getStreamCountsMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.StreamCountsRequest, io.millpond.v1.StreamCountsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StreamCounts"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.StreamCountsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.StreamCountsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("StreamCounts"))
              .build();
        }
      }
    }
    return getStreamCountsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.CancelTasksRequest,
      io.millpond.v1.CancelTasksResponse> getCancelTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CancelTasks",
      requestType = io.millpond.v1.CancelTasksRequest.class,
      responseType = io.millpond.v1.CancelTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.CancelTasksRequest,
      io.millpond.v1.CancelTasksResponse> getCancelTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.CancelTasksRequest, io.millpond.v1.CancelTasksResponse> getCancelTasksMethod;
    if ((getCancelTasksMethod = TaskServiceGrpc.getCancelTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getCancelTasksMethod = TaskServiceGrpc.getCancelTasksMethod) == null) {
          TaskServiceGrpc.getCancelTasksMethod = getCancelTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.CancelTasksRequest, io.millpond.v1.CancelTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CancelTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.CancelTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.CancelTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("CancelTasks"))
              .build();
        }
      }
    }
    return getCancelTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.PauseTasksRequest,
      io.millpond.v1.PauseTasksResponse> getPauseTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PauseTasks",
      requestType = io.millpond.v1.PauseTasksRequest.class,
      responseType = io.millpond.v1.PauseTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.PauseTasksRequest,
      io.millpond.v1.PauseTasksResponse> getPauseTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.PauseTasksRequest, io.millpond.v1.PauseTasksResponse> getPauseTasksMethod;
    if ((getPauseTasksMethod = TaskServiceGrpc.getPauseTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getPauseTasksMethod = TaskServiceGrpc.getPauseTasksMethod) == null) {
          TaskServiceGrpc.getPauseTasksMethod = getPauseTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.PauseTasksRequest, io.millpond.v1.PauseTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PauseTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.PauseTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.PauseTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("PauseTasks"))
              .build();
        }
      }
    }
    return getPauseTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ResumeTasksRequest,
      io.millpond.v1.ResumeTasksResponse> getResumeTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ResumeTasks",
      requestType = io.millpond.v1.ResumeTasksRequest.class,
      responseType = io.millpond.v1.ResumeTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ResumeTasksRequest,
      io.millpond.v1.ResumeTasksResponse> getResumeTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ResumeTasksRequest, io.millpond.v1.ResumeTasksResponse> getResumeTasksMethod;
    if ((getResumeTasksMethod = TaskServiceGrpc.getResumeTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getResumeTasksMethod = TaskServiceGrpc.getResumeTasksMethod) == null) {
          TaskServiceGrpc.getResumeTasksMethod = getResumeTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ResumeTasksRequest, io.millpond.v1.ResumeTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ResumeTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ResumeTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ResumeTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("ResumeTasks"))
              .build();
        }
      }
    }
    return getResumeTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.RetryTasksRequest,
      io.millpond.v1.RetryTasksResponse> getRetryTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RetryTasks",
      requestType = io.millpond.v1.RetryTasksRequest.class,
      responseType = io.millpond.v1.RetryTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.RetryTasksRequest,
      io.millpond.v1.RetryTasksResponse> getRetryTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.RetryTasksRequest, io.millpond.v1.RetryTasksResponse> getRetryTasksMethod;
    if ((getRetryTasksMethod = TaskServiceGrpc.getRetryTasksMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getRetryTasksMethod = TaskServiceGrpc.getRetryTasksMethod) == null) {
          TaskServiceGrpc.getRetryTasksMethod = getRetryTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.RetryTasksRequest, io.millpond.v1.RetryTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RetryTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.RetryTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.RetryTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("RetryTasks"))
              .build();
        }
      }
    }
    return getRetryTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ExplainTaskRequest,
      io.millpond.v1.ExplainTaskResponse> getExplainTaskMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExplainTask",
      requestType = io.millpond.v1.ExplainTaskRequest.class,
      responseType = io.millpond.v1.ExplainTaskResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ExplainTaskRequest,
      io.millpond.v1.ExplainTaskResponse> getExplainTaskMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ExplainTaskRequest, io.millpond.v1.ExplainTaskResponse> getExplainTaskMethod;
    if ((getExplainTaskMethod = TaskServiceGrpc.getExplainTaskMethod) == null) {
      synchronized (TaskServiceGrpc.class) {
        if ((getExplainTaskMethod = TaskServiceGrpc.getExplainTaskMethod) == null) {
          TaskServiceGrpc.getExplainTaskMethod = getExplainTaskMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ExplainTaskRequest, io.millpond.v1.ExplainTaskResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExplainTask"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ExplainTaskRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ExplainTaskResponse.getDefaultInstance()))
              .setSchemaDescriptor(new TaskServiceMethodDescriptorSupplier("ExplainTask"))
              .build();
        }
      }
    }
    return getExplainTaskMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static TaskServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TaskServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TaskServiceStub>() {
        @java.lang.Override
        public TaskServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TaskServiceStub(channel, callOptions);
        }
      };
    return TaskServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static TaskServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TaskServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TaskServiceBlockingV2Stub>() {
        @java.lang.Override
        public TaskServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TaskServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return TaskServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static TaskServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TaskServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TaskServiceBlockingStub>() {
        @java.lang.Override
        public TaskServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TaskServiceBlockingStub(channel, callOptions);
        }
      };
    return TaskServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static TaskServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<TaskServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<TaskServiceFutureStub>() {
        @java.lang.Override
        public TaskServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new TaskServiceFutureStub(channel, callOptions);
        }
      };
    return TaskServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Tasks: creating graphs of them, reporting on them, changing them. Every answer follows the commit: what is
   * acknowledged is durable.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Creates a graph of tasks, all or none: in a new batch, or into an open one.
     * Fails with GRAPH_HAS_CYCLE, UNKNOWN_DEPENDENCY, DUPLICATE_KEY, URL_FORBIDDEN, REQUEST_ID_REUSED, BATCH_NOT_FOUND
     * and BATCH_SEALED; the message and metadata name the cycle, key or task.
     * </pre>
     */
    default void createTasks(io.millpond.v1.CreateTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.CreateTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Creates a graph that is larger than one message, all or none: nothing is visible before the last part is committed,
     * and a stream that breaks off creates nothing. Fails with the reasons of CreateTasks, and with LIMIT_EXCEEDED when
     * the graph is larger than the server accepts.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.millpond.v1.UploadTasksRequest> uploadTasks(
        io.grpc.stub.StreamObserver<io.millpond.v1.UploadTasksResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getUploadTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads one task, whole. Fails with TASK_NOT_FOUND.
     * </pre>
     */
    default void getTask(io.millpond.v1.GetTaskRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.GetTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetTaskMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists tasks, newest first, in keyset pages: a task that exists while the pages are read comes once. Fails with
     * PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    default void listTasks(io.millpond.v1.ListTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes a task that has not ended. Editing is no sign of life. New timeouts count from where the old ones did, and
     * are in force at once. Fails with TASK_NOT_FOUND, TASK_ENDED, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION
     * when the priority is changed after the task was claimed, and INVALID_FIELD when the task would lack what a rule
     * reads.
     * </pre>
     */
    default void updateTask(io.millpond.v1.UpdateTaskRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.UpdateTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateTaskMethod(), responseObserver);
    }

    /**
     * <pre>
     * Takes reports of executors: started, heartbeat, success, failure, with counts. Answers per item, in request order;
     * an item that is refused (TASK_NOT_FOUND, TASK_ENDED, STALE_ATTEMPT, ILLEGAL_TRANSITION, INVALID_FIELD) harms no
     * other. What follows from a report (children that start, fail or are skipped, the batch's statistics and its end) is
     * committed with it. Two reports on one task in a request take effect in their order.
     * </pre>
     */
    default void reportTasks(io.millpond.v1.ReportTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ReportTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReportTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Takes reports as a stream: the server acknowledges each message once its reports are durable, in order. Each report is
     * taken or refused as by ReportTasks. What was not acknowledged when the stream broke is sent again; closing reports
     * repeat without harm. Fails with INVALID_FIELD when a sequence is not greater than the one before, and with
     * STORE_UNAVAILABLE while the database is away or the server stops. Needs HTTP/2.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.millpond.v1.StreamReportsRequest> streamReports(
        io.grpc.stub.StreamObserver<io.millpond.v1.StreamReportsResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getStreamReportsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Adds to the counters of many tasks that have not ended; answered once durable. Counts are signs of life of a task that
     * is being executed, and shrink what it holds of a capacity rule. Rejects single items with TASK_NOT_FOUND, TASK_ENDED
     * and, where the counter of the task or its batch would be beyond 64 bits, INVALID_FIELD; the others are counted. Fails with
     * REQUEST_ID_REUSED, with STORE_UNAVAILABLE while the database is away, and with LIMIT_EXCEEDED when too many counts wait
     * to be written.
     * </pre>
     */
    default void addCounts(io.millpond.v1.AddCountsRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.AddCountsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAddCountsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Adds to counters as a stream, with the client's own sequence: after a broken connection the client resends what
     * follows the last acknowledged sequence, to this server or another, and nothing is counted twice. What is not
     * acknowledged yet waits in the server while the database is away, and beyond a bound the stream is not read. Rejects
     * single items as AddCounts does; that is final, and their message is acknowledged. Fails with INVALID_FIELD, and with
     * UNAVAILABLE when the server stops, after it has acknowledged what it has read. Needs HTTP/2.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.millpond.v1.StreamCountsRequest> streamCounts(
        io.grpc.stub.StreamObserver<io.millpond.v1.StreamCountsResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getStreamCountsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Cancels tasks that have not ended; their executors are told to stop. Answers per item, in request order:
     * TASK_NOT_FOUND, or TASK_ENDED with its status. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    default void cancelTasks(io.millpond.v1.CancelTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.CancelTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCancelTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Holds tasks that are WAITING or PENDING. Answers per item, in request order: TASK_NOT_FOUND, TASK_ENDED, or
     * ILLEGAL_TRANSITION for one that is CLAIMED or RUNNING; one that is PAUSED already stays so. Fails with
     * REQUEST_ID_REUSED.
     * </pre>
     */
    default void pauseTasks(io.millpond.v1.PauseTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.PauseTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPauseTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lets held tasks go: they are WAITING or PENDING, as their dependencies stand. Answers per item, in request order:
     * TASK_NOT_FOUND, TASK_ENDED, or ILLEGAL_TRANSITION for one that is not PAUSED. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    default void resumeTasks(io.millpond.v1.ResumeTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ResumeTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getResumeTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Runs ended tasks again, alone or with what their failure brought down, in one transaction; a batch that had ended
     * is ACTIVE again. They are WAITING or PENDING, as their dependencies stand now, with a new allowance of attempts and
     * a new total_timeout. What has not started and depends on one of them waits for it again; what has started goes on.
     * Answers per item, in request order: TASK_NOT_FOUND, or ILLEGAL_TRANSITION for one that has not ended, and for one
     * that a dependency which stays as it ended would bring down again (metadata.blocked_by is its id: retry that one,
     * too). Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    default void retryTasks(io.millpond.v1.RetryTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.RetryTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRetryTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Says why a task is not running: typed blockers, in the order in which they would have to go. Fails with
     * TASK_NOT_FOUND.
     * </pre>
     */
    default void explainTask(io.millpond.v1.ExplainTaskRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ExplainTaskResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExplainTaskMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service TaskService.
   * <pre>
   * Tasks: creating graphs of them, reporting on them, changing them. Every answer follows the commit: what is
   * acknowledged is durable.
   * </pre>
   */
  public static abstract class TaskServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return TaskServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service TaskService.
   * <pre>
   * Tasks: creating graphs of them, reporting on them, changing them. Every answer follows the commit: what is
   * acknowledged is durable.
   * </pre>
   */
  public static final class TaskServiceStub
      extends io.grpc.stub.AbstractAsyncStub<TaskServiceStub> {
    private TaskServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TaskServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TaskServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a graph of tasks, all or none: in a new batch, or into an open one.
     * Fails with GRAPH_HAS_CYCLE, UNKNOWN_DEPENDENCY, DUPLICATE_KEY, URL_FORBIDDEN, REQUEST_ID_REUSED, BATCH_NOT_FOUND
     * and BATCH_SEALED; the message and metadata name the cycle, key or task.
     * </pre>
     */
    public void createTasks(io.millpond.v1.CreateTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.CreateTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Creates a graph that is larger than one message, all or none: nothing is visible before the last part is committed,
     * and a stream that breaks off creates nothing. Fails with the reasons of CreateTasks, and with LIMIT_EXCEEDED when
     * the graph is larger than the server accepts.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.millpond.v1.UploadTasksRequest> uploadTasks(
        io.grpc.stub.StreamObserver<io.millpond.v1.UploadTasksResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncClientStreamingCall(
          getChannel().newCall(getUploadTasksMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Reads one task, whole. Fails with TASK_NOT_FOUND.
     * </pre>
     */
    public void getTask(io.millpond.v1.GetTaskRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.GetTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetTaskMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists tasks, newest first, in keyset pages: a task that exists while the pages are read comes once. Fails with
     * PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public void listTasks(io.millpond.v1.ListTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes a task that has not ended. Editing is no sign of life. New timeouts count from where the old ones did, and
     * are in force at once. Fails with TASK_NOT_FOUND, TASK_ENDED, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION
     * when the priority is changed after the task was claimed, and INVALID_FIELD when the task would lack what a rule
     * reads.
     * </pre>
     */
    public void updateTask(io.millpond.v1.UpdateTaskRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.UpdateTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateTaskMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Takes reports of executors: started, heartbeat, success, failure, with counts. Answers per item, in request order;
     * an item that is refused (TASK_NOT_FOUND, TASK_ENDED, STALE_ATTEMPT, ILLEGAL_TRANSITION, INVALID_FIELD) harms no
     * other. What follows from a report (children that start, fail or are skipped, the batch's statistics and its end) is
     * committed with it. Two reports on one task in a request take effect in their order.
     * </pre>
     */
    public void reportTasks(io.millpond.v1.ReportTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ReportTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getReportTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Takes reports as a stream: the server acknowledges each message once its reports are durable, in order. Each report is
     * taken or refused as by ReportTasks. What was not acknowledged when the stream broke is sent again; closing reports
     * repeat without harm. Fails with INVALID_FIELD when a sequence is not greater than the one before, and with
     * STORE_UNAVAILABLE while the database is away or the server stops. Needs HTTP/2.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.millpond.v1.StreamReportsRequest> streamReports(
        io.grpc.stub.StreamObserver<io.millpond.v1.StreamReportsResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getStreamReportsMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Adds to the counters of many tasks that have not ended; answered once durable. Counts are signs of life of a task that
     * is being executed, and shrink what it holds of a capacity rule. Rejects single items with TASK_NOT_FOUND, TASK_ENDED
     * and, where the counter of the task or its batch would be beyond 64 bits, INVALID_FIELD; the others are counted. Fails with
     * REQUEST_ID_REUSED, with STORE_UNAVAILABLE while the database is away, and with LIMIT_EXCEEDED when too many counts wait
     * to be written.
     * </pre>
     */
    public void addCounts(io.millpond.v1.AddCountsRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.AddCountsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAddCountsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Adds to counters as a stream, with the client's own sequence: after a broken connection the client resends what
     * follows the last acknowledged sequence, to this server or another, and nothing is counted twice. What is not
     * acknowledged yet waits in the server while the database is away, and beyond a bound the stream is not read. Rejects
     * single items as AddCounts does; that is final, and their message is acknowledged. Fails with INVALID_FIELD, and with
     * UNAVAILABLE when the server stops, after it has acknowledged what it has read. Needs HTTP/2.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.millpond.v1.StreamCountsRequest> streamCounts(
        io.grpc.stub.StreamObserver<io.millpond.v1.StreamCountsResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getStreamCountsMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Cancels tasks that have not ended; their executors are told to stop. Answers per item, in request order:
     * TASK_NOT_FOUND, or TASK_ENDED with its status. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public void cancelTasks(io.millpond.v1.CancelTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.CancelTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCancelTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Holds tasks that are WAITING or PENDING. Answers per item, in request order: TASK_NOT_FOUND, TASK_ENDED, or
     * ILLEGAL_TRANSITION for one that is CLAIMED or RUNNING; one that is PAUSED already stays so. Fails with
     * REQUEST_ID_REUSED.
     * </pre>
     */
    public void pauseTasks(io.millpond.v1.PauseTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.PauseTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPauseTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lets held tasks go: they are WAITING or PENDING, as their dependencies stand. Answers per item, in request order:
     * TASK_NOT_FOUND, TASK_ENDED, or ILLEGAL_TRANSITION for one that is not PAUSED. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public void resumeTasks(io.millpond.v1.ResumeTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ResumeTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getResumeTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Runs ended tasks again, alone or with what their failure brought down, in one transaction; a batch that had ended
     * is ACTIVE again. They are WAITING or PENDING, as their dependencies stand now, with a new allowance of attempts and
     * a new total_timeout. What has not started and depends on one of them waits for it again; what has started goes on.
     * Answers per item, in request order: TASK_NOT_FOUND, or ILLEGAL_TRANSITION for one that has not ended, and for one
     * that a dependency which stays as it ended would bring down again (metadata.blocked_by is its id: retry that one,
     * too). Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public void retryTasks(io.millpond.v1.RetryTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.RetryTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRetryTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Says why a task is not running: typed blockers, in the order in which they would have to go. Fails with
     * TASK_NOT_FOUND.
     * </pre>
     */
    public void explainTask(io.millpond.v1.ExplainTaskRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ExplainTaskResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExplainTaskMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service TaskService.
   * <pre>
   * Tasks: creating graphs of them, reporting on them, changing them. Every answer follows the commit: what is
   * acknowledged is durable.
   * </pre>
   */
  public static final class TaskServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<TaskServiceBlockingV2Stub> {
    private TaskServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TaskServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TaskServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a graph of tasks, all or none: in a new batch, or into an open one.
     * Fails with GRAPH_HAS_CYCLE, UNKNOWN_DEPENDENCY, DUPLICATE_KEY, URL_FORBIDDEN, REQUEST_ID_REUSED, BATCH_NOT_FOUND
     * and BATCH_SEALED; the message and metadata name the cycle, key or task.
     * </pre>
     */
    public io.millpond.v1.CreateTasksResponse createTasks(io.millpond.v1.CreateTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Creates a graph that is larger than one message, all or none: nothing is visible before the last part is committed,
     * and a stream that breaks off creates nothing. Fails with the reasons of CreateTasks, and with LIMIT_EXCEEDED when
     * the graph is larger than the server accepts.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<io.millpond.v1.UploadTasksRequest, io.millpond.v1.UploadTasksResponse>
        uploadTasks() {
      return io.grpc.stub.ClientCalls.blockingClientStreamingCall(
          getChannel(), getUploadTasksMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Reads one task, whole. Fails with TASK_NOT_FOUND.
     * </pre>
     */
    public io.millpond.v1.GetTaskResponse getTask(io.millpond.v1.GetTaskRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists tasks, newest first, in keyset pages: a task that exists while the pages are read comes once. Fails with
     * PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListTasksResponse listTasks(io.millpond.v1.ListTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes a task that has not ended. Editing is no sign of life. New timeouts count from where the old ones did, and
     * are in force at once. Fails with TASK_NOT_FOUND, TASK_ENDED, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION
     * when the priority is changed after the task was claimed, and INVALID_FIELD when the task would lack what a rule
     * reads.
     * </pre>
     */
    public io.millpond.v1.UpdateTaskResponse updateTask(io.millpond.v1.UpdateTaskRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes reports of executors: started, heartbeat, success, failure, with counts. Answers per item, in request order;
     * an item that is refused (TASK_NOT_FOUND, TASK_ENDED, STALE_ATTEMPT, ILLEGAL_TRANSITION, INVALID_FIELD) harms no
     * other. What follows from a report (children that start, fail or are skipped, the batch's statistics and its end) is
     * committed with it. Two reports on one task in a request take effect in their order.
     * </pre>
     */
    public io.millpond.v1.ReportTasksResponse reportTasks(io.millpond.v1.ReportTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getReportTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes reports as a stream: the server acknowledges each message once its reports are durable, in order. Each report is
     * taken or refused as by ReportTasks. What was not acknowledged when the stream broke is sent again; closing reports
     * repeat without harm. Fails with INVALID_FIELD when a sequence is not greater than the one before, and with
     * STORE_UNAVAILABLE while the database is away or the server stops. Needs HTTP/2.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<io.millpond.v1.StreamReportsRequest, io.millpond.v1.StreamReportsResponse>
        streamReports() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getStreamReportsMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Adds to the counters of many tasks that have not ended; answered once durable. Counts are signs of life of a task that
     * is being executed, and shrink what it holds of a capacity rule. Rejects single items with TASK_NOT_FOUND, TASK_ENDED
     * and, where the counter of the task or its batch would be beyond 64 bits, INVALID_FIELD; the others are counted. Fails with
     * REQUEST_ID_REUSED, with STORE_UNAVAILABLE while the database is away, and with LIMIT_EXCEEDED when too many counts wait
     * to be written.
     * </pre>
     */
    public io.millpond.v1.AddCountsResponse addCounts(io.millpond.v1.AddCountsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAddCountsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Adds to counters as a stream, with the client's own sequence: after a broken connection the client resends what
     * follows the last acknowledged sequence, to this server or another, and nothing is counted twice. What is not
     * acknowledged yet waits in the server while the database is away, and beyond a bound the stream is not read. Rejects
     * single items as AddCounts does; that is final, and their message is acknowledged. Fails with INVALID_FIELD, and with
     * UNAVAILABLE when the server stops, after it has acknowledged what it has read. Needs HTTP/2.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<io.millpond.v1.StreamCountsRequest, io.millpond.v1.StreamCountsResponse>
        streamCounts() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getStreamCountsMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Cancels tasks that have not ended; their executors are told to stop. Answers per item, in request order:
     * TASK_NOT_FOUND, or TASK_ENDED with its status. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.CancelTasksResponse cancelTasks(io.millpond.v1.CancelTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCancelTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Holds tasks that are WAITING or PENDING. Answers per item, in request order: TASK_NOT_FOUND, TASK_ENDED, or
     * ILLEGAL_TRANSITION for one that is CLAIMED or RUNNING; one that is PAUSED already stays so. Fails with
     * REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.PauseTasksResponse pauseTasks(io.millpond.v1.PauseTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPauseTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lets held tasks go: they are WAITING or PENDING, as their dependencies stand. Answers per item, in request order:
     * TASK_NOT_FOUND, TASK_ENDED, or ILLEGAL_TRANSITION for one that is not PAUSED. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.ResumeTasksResponse resumeTasks(io.millpond.v1.ResumeTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getResumeTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Runs ended tasks again, alone or with what their failure brought down, in one transaction; a batch that had ended
     * is ACTIVE again. They are WAITING or PENDING, as their dependencies stand now, with a new allowance of attempts and
     * a new total_timeout. What has not started and depends on one of them waits for it again; what has started goes on.
     * Answers per item, in request order: TASK_NOT_FOUND, or ILLEGAL_TRANSITION for one that has not ended, and for one
     * that a dependency which stays as it ended would bring down again (metadata.blocked_by is its id: retry that one,
     * too). Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.RetryTasksResponse retryTasks(io.millpond.v1.RetryTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRetryTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Says why a task is not running: typed blockers, in the order in which they would have to go. Fails with
     * TASK_NOT_FOUND.
     * </pre>
     */
    public io.millpond.v1.ExplainTaskResponse explainTask(io.millpond.v1.ExplainTaskRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExplainTaskMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service TaskService.
   * <pre>
   * Tasks: creating graphs of them, reporting on them, changing them. Every answer follows the commit: what is
   * acknowledged is durable.
   * </pre>
   */
  public static final class TaskServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<TaskServiceBlockingStub> {
    private TaskServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TaskServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TaskServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a graph of tasks, all or none: in a new batch, or into an open one.
     * Fails with GRAPH_HAS_CYCLE, UNKNOWN_DEPENDENCY, DUPLICATE_KEY, URL_FORBIDDEN, REQUEST_ID_REUSED, BATCH_NOT_FOUND
     * and BATCH_SEALED; the message and metadata name the cycle, key or task.
     * </pre>
     */
    public io.millpond.v1.CreateTasksResponse createTasks(io.millpond.v1.CreateTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads one task, whole. Fails with TASK_NOT_FOUND.
     * </pre>
     */
    public io.millpond.v1.GetTaskResponse getTask(io.millpond.v1.GetTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists tasks, newest first, in keyset pages: a task that exists while the pages are read comes once. Fails with
     * PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListTasksResponse listTasks(io.millpond.v1.ListTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes a task that has not ended. Editing is no sign of life. New timeouts count from where the old ones did, and
     * are in force at once. Fails with TASK_NOT_FOUND, TASK_ENDED, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION
     * when the priority is changed after the task was claimed, and INVALID_FIELD when the task would lack what a rule
     * reads.
     * </pre>
     */
    public io.millpond.v1.UpdateTaskResponse updateTask(io.millpond.v1.UpdateTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateTaskMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes reports of executors: started, heartbeat, success, failure, with counts. Answers per item, in request order;
     * an item that is refused (TASK_NOT_FOUND, TASK_ENDED, STALE_ATTEMPT, ILLEGAL_TRANSITION, INVALID_FIELD) harms no
     * other. What follows from a report (children that start, fail or are skipped, the batch's statistics and its end) is
     * committed with it. Two reports on one task in a request take effect in their order.
     * </pre>
     */
    public io.millpond.v1.ReportTasksResponse reportTasks(io.millpond.v1.ReportTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getReportTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Adds to the counters of many tasks that have not ended; answered once durable. Counts are signs of life of a task that
     * is being executed, and shrink what it holds of a capacity rule. Rejects single items with TASK_NOT_FOUND, TASK_ENDED
     * and, where the counter of the task or its batch would be beyond 64 bits, INVALID_FIELD; the others are counted. Fails with
     * REQUEST_ID_REUSED, with STORE_UNAVAILABLE while the database is away, and with LIMIT_EXCEEDED when too many counts wait
     * to be written.
     * </pre>
     */
    public io.millpond.v1.AddCountsResponse addCounts(io.millpond.v1.AddCountsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAddCountsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cancels tasks that have not ended; their executors are told to stop. Answers per item, in request order:
     * TASK_NOT_FOUND, or TASK_ENDED with its status. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.CancelTasksResponse cancelTasks(io.millpond.v1.CancelTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCancelTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Holds tasks that are WAITING or PENDING. Answers per item, in request order: TASK_NOT_FOUND, TASK_ENDED, or
     * ILLEGAL_TRANSITION for one that is CLAIMED or RUNNING; one that is PAUSED already stays so. Fails with
     * REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.PauseTasksResponse pauseTasks(io.millpond.v1.PauseTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPauseTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lets held tasks go: they are WAITING or PENDING, as their dependencies stand. Answers per item, in request order:
     * TASK_NOT_FOUND, TASK_ENDED, or ILLEGAL_TRANSITION for one that is not PAUSED. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.ResumeTasksResponse resumeTasks(io.millpond.v1.ResumeTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getResumeTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Runs ended tasks again, alone or with what their failure brought down, in one transaction; a batch that had ended
     * is ACTIVE again. They are WAITING or PENDING, as their dependencies stand now, with a new allowance of attempts and
     * a new total_timeout. What has not started and depends on one of them waits for it again; what has started goes on.
     * Answers per item, in request order: TASK_NOT_FOUND, or ILLEGAL_TRANSITION for one that has not ended, and for one
     * that a dependency which stays as it ended would bring down again (metadata.blocked_by is its id: retry that one,
     * too). Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.RetryTasksResponse retryTasks(io.millpond.v1.RetryTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRetryTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Says why a task is not running: typed blockers, in the order in which they would have to go. Fails with
     * TASK_NOT_FOUND.
     * </pre>
     */
    public io.millpond.v1.ExplainTaskResponse explainTask(io.millpond.v1.ExplainTaskRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExplainTaskMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service TaskService.
   * <pre>
   * Tasks: creating graphs of them, reporting on them, changing them. Every answer follows the commit: what is
   * acknowledged is durable.
   * </pre>
   */
  public static final class TaskServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<TaskServiceFutureStub> {
    private TaskServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected TaskServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new TaskServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a graph of tasks, all or none: in a new batch, or into an open one.
     * Fails with GRAPH_HAS_CYCLE, UNKNOWN_DEPENDENCY, DUPLICATE_KEY, URL_FORBIDDEN, REQUEST_ID_REUSED, BATCH_NOT_FOUND
     * and BATCH_SEALED; the message and metadata name the cycle, key or task.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.CreateTasksResponse> createTasks(
        io.millpond.v1.CreateTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads one task, whole. Fails with TASK_NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.GetTaskResponse> getTask(
        io.millpond.v1.GetTaskRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetTaskMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists tasks, newest first, in keyset pages: a task that exists while the pages are read comes once. Fails with
     * PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ListTasksResponse> listTasks(
        io.millpond.v1.ListTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes a task that has not ended. Editing is no sign of life. New timeouts count from where the old ones did, and
     * are in force at once. Fails with TASK_NOT_FOUND, TASK_ENDED, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION
     * when the priority is changed after the task was claimed, and INVALID_FIELD when the task would lack what a rule
     * reads.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.UpdateTaskResponse> updateTask(
        io.millpond.v1.UpdateTaskRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateTaskMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Takes reports of executors: started, heartbeat, success, failure, with counts. Answers per item, in request order;
     * an item that is refused (TASK_NOT_FOUND, TASK_ENDED, STALE_ATTEMPT, ILLEGAL_TRANSITION, INVALID_FIELD) harms no
     * other. What follows from a report (children that start, fail or are skipped, the batch's statistics and its end) is
     * committed with it. Two reports on one task in a request take effect in their order.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ReportTasksResponse> reportTasks(
        io.millpond.v1.ReportTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getReportTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Adds to the counters of many tasks that have not ended; answered once durable. Counts are signs of life of a task that
     * is being executed, and shrink what it holds of a capacity rule. Rejects single items with TASK_NOT_FOUND, TASK_ENDED
     * and, where the counter of the task or its batch would be beyond 64 bits, INVALID_FIELD; the others are counted. Fails with
     * REQUEST_ID_REUSED, with STORE_UNAVAILABLE while the database is away, and with LIMIT_EXCEEDED when too many counts wait
     * to be written.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.AddCountsResponse> addCounts(
        io.millpond.v1.AddCountsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAddCountsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Cancels tasks that have not ended; their executors are told to stop. Answers per item, in request order:
     * TASK_NOT_FOUND, or TASK_ENDED with its status. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.CancelTasksResponse> cancelTasks(
        io.millpond.v1.CancelTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCancelTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Holds tasks that are WAITING or PENDING. Answers per item, in request order: TASK_NOT_FOUND, TASK_ENDED, or
     * ILLEGAL_TRANSITION for one that is CLAIMED or RUNNING; one that is PAUSED already stays so. Fails with
     * REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.PauseTasksResponse> pauseTasks(
        io.millpond.v1.PauseTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPauseTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lets held tasks go: they are WAITING or PENDING, as their dependencies stand. Answers per item, in request order:
     * TASK_NOT_FOUND, TASK_ENDED, or ILLEGAL_TRANSITION for one that is not PAUSED. Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ResumeTasksResponse> resumeTasks(
        io.millpond.v1.ResumeTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getResumeTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Runs ended tasks again, alone or with what their failure brought down, in one transaction; a batch that had ended
     * is ACTIVE again. They are WAITING or PENDING, as their dependencies stand now, with a new allowance of attempts and
     * a new total_timeout. What has not started and depends on one of them waits for it again; what has started goes on.
     * Answers per item, in request order: TASK_NOT_FOUND, or ILLEGAL_TRANSITION for one that has not ended, and for one
     * that a dependency which stays as it ended would bring down again (metadata.blocked_by is its id: retry that one,
     * too). Fails with REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.RetryTasksResponse> retryTasks(
        io.millpond.v1.RetryTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRetryTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Says why a task is not running: typed blockers, in the order in which they would have to go. Fails with
     * TASK_NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ExplainTaskResponse> explainTask(
        io.millpond.v1.ExplainTaskRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExplainTaskMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CREATE_TASKS = 0;
  private static final int METHODID_GET_TASK = 1;
  private static final int METHODID_LIST_TASKS = 2;
  private static final int METHODID_UPDATE_TASK = 3;
  private static final int METHODID_REPORT_TASKS = 4;
  private static final int METHODID_ADD_COUNTS = 5;
  private static final int METHODID_CANCEL_TASKS = 6;
  private static final int METHODID_PAUSE_TASKS = 7;
  private static final int METHODID_RESUME_TASKS = 8;
  private static final int METHODID_RETRY_TASKS = 9;
  private static final int METHODID_EXPLAIN_TASK = 10;
  private static final int METHODID_UPLOAD_TASKS = 11;
  private static final int METHODID_STREAM_REPORTS = 12;
  private static final int METHODID_STREAM_COUNTS = 13;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_CREATE_TASKS:
          serviceImpl.createTasks((io.millpond.v1.CreateTasksRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.CreateTasksResponse>) responseObserver);
          break;
        case METHODID_GET_TASK:
          serviceImpl.getTask((io.millpond.v1.GetTaskRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.GetTaskResponse>) responseObserver);
          break;
        case METHODID_LIST_TASKS:
          serviceImpl.listTasks((io.millpond.v1.ListTasksRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ListTasksResponse>) responseObserver);
          break;
        case METHODID_UPDATE_TASK:
          serviceImpl.updateTask((io.millpond.v1.UpdateTaskRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.UpdateTaskResponse>) responseObserver);
          break;
        case METHODID_REPORT_TASKS:
          serviceImpl.reportTasks((io.millpond.v1.ReportTasksRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ReportTasksResponse>) responseObserver);
          break;
        case METHODID_ADD_COUNTS:
          serviceImpl.addCounts((io.millpond.v1.AddCountsRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.AddCountsResponse>) responseObserver);
          break;
        case METHODID_CANCEL_TASKS:
          serviceImpl.cancelTasks((io.millpond.v1.CancelTasksRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.CancelTasksResponse>) responseObserver);
          break;
        case METHODID_PAUSE_TASKS:
          serviceImpl.pauseTasks((io.millpond.v1.PauseTasksRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.PauseTasksResponse>) responseObserver);
          break;
        case METHODID_RESUME_TASKS:
          serviceImpl.resumeTasks((io.millpond.v1.ResumeTasksRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ResumeTasksResponse>) responseObserver);
          break;
        case METHODID_RETRY_TASKS:
          serviceImpl.retryTasks((io.millpond.v1.RetryTasksRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.RetryTasksResponse>) responseObserver);
          break;
        case METHODID_EXPLAIN_TASK:
          serviceImpl.explainTask((io.millpond.v1.ExplainTaskRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ExplainTaskResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_UPLOAD_TASKS:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.uploadTasks(
              (io.grpc.stub.StreamObserver<io.millpond.v1.UploadTasksResponse>) responseObserver);
        case METHODID_STREAM_REPORTS:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.streamReports(
              (io.grpc.stub.StreamObserver<io.millpond.v1.StreamReportsResponse>) responseObserver);
        case METHODID_STREAM_COUNTS:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.streamCounts(
              (io.grpc.stub.StreamObserver<io.millpond.v1.StreamCountsResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getCreateTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.CreateTasksRequest,
              io.millpond.v1.CreateTasksResponse>(
                service, METHODID_CREATE_TASKS)))
        .addMethod(
          getUploadTasksMethod(),
          io.grpc.stub.ServerCalls.asyncClientStreamingCall(
            new MethodHandlers<
              io.millpond.v1.UploadTasksRequest,
              io.millpond.v1.UploadTasksResponse>(
                service, METHODID_UPLOAD_TASKS)))
        .addMethod(
          getGetTaskMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.GetTaskRequest,
              io.millpond.v1.GetTaskResponse>(
                service, METHODID_GET_TASK)))
        .addMethod(
          getListTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ListTasksRequest,
              io.millpond.v1.ListTasksResponse>(
                service, METHODID_LIST_TASKS)))
        .addMethod(
          getUpdateTaskMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.UpdateTaskRequest,
              io.millpond.v1.UpdateTaskResponse>(
                service, METHODID_UPDATE_TASK)))
        .addMethod(
          getReportTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ReportTasksRequest,
              io.millpond.v1.ReportTasksResponse>(
                service, METHODID_REPORT_TASKS)))
        .addMethod(
          getStreamReportsMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              io.millpond.v1.StreamReportsRequest,
              io.millpond.v1.StreamReportsResponse>(
                service, METHODID_STREAM_REPORTS)))
        .addMethod(
          getAddCountsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.AddCountsRequest,
              io.millpond.v1.AddCountsResponse>(
                service, METHODID_ADD_COUNTS)))
        .addMethod(
          getStreamCountsMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              io.millpond.v1.StreamCountsRequest,
              io.millpond.v1.StreamCountsResponse>(
                service, METHODID_STREAM_COUNTS)))
        .addMethod(
          getCancelTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.CancelTasksRequest,
              io.millpond.v1.CancelTasksResponse>(
                service, METHODID_CANCEL_TASKS)))
        .addMethod(
          getPauseTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.PauseTasksRequest,
              io.millpond.v1.PauseTasksResponse>(
                service, METHODID_PAUSE_TASKS)))
        .addMethod(
          getResumeTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ResumeTasksRequest,
              io.millpond.v1.ResumeTasksResponse>(
                service, METHODID_RESUME_TASKS)))
        .addMethod(
          getRetryTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.RetryTasksRequest,
              io.millpond.v1.RetryTasksResponse>(
                service, METHODID_RETRY_TASKS)))
        .addMethod(
          getExplainTaskMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ExplainTaskRequest,
              io.millpond.v1.ExplainTaskResponse>(
                service, METHODID_EXPLAIN_TASK)))
        .build();
  }

  private static abstract class TaskServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    TaskServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.millpond.v1.TaskServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("TaskService");
    }
  }

  private static final class TaskServiceFileDescriptorSupplier
      extends TaskServiceBaseDescriptorSupplier {
    TaskServiceFileDescriptorSupplier() {}
  }

  private static final class TaskServiceMethodDescriptorSupplier
      extends TaskServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    TaskServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (TaskServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new TaskServiceFileDescriptorSupplier())
              .addMethod(getCreateTasksMethod())
              .addMethod(getUploadTasksMethod())
              .addMethod(getGetTaskMethod())
              .addMethod(getListTasksMethod())
              .addMethod(getUpdateTaskMethod())
              .addMethod(getReportTasksMethod())
              .addMethod(getStreamReportsMethod())
              .addMethod(getAddCountsMethod())
              .addMethod(getStreamCountsMethod())
              .addMethod(getCancelTasksMethod())
              .addMethod(getPauseTasksMethod())
              .addMethod(getResumeTasksMethod())
              .addMethod(getRetryTasksMethod())
              .addMethod(getExplainTaskMethod())
              .build();
        }
      }
    }
    return result;
  }
}
