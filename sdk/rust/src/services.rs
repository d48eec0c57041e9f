//! The unary methods of the contract, by service.

use crate::call::sealed::Sealed;
use crate::client::Client;
use crate::v1::task_report::Report;
use crate::v1::*;
use crate::{Error, UnaryRequest};
use tonic::IntoRequest;

/// Makes a service of its methods: each says of its request whether it only `reads`, is `keyed` by a request id, waits
/// for something (`waits`), or has a rule of its own for repeats (`if`).
macro_rules! service {
    (
        $(#[$service_doc:meta])*
        $service:ident, $accessor:ident:
        $($(#[$doc:meta])* $name:ident $method:ident($request:ident) -> $response:ident [$($trait:tt)*];)*
    ) => {
        $(#[$service_doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $service<'a>(&'a Client);

        impl Client {
            $(#[$service_doc])*
            pub fn $accessor(&self) -> $service<'_> {
                $service(self)
            }
        }

        impl $service<'_> {
            $(
                $(#[$doc])*
                pub async fn $name(self, request: impl IntoRequest<$request>) -> Result<$response, Error> {
                    self.0.call(request).await
                }
            )*
        }

        $(
            impl Sealed for $request {}

            impl UnaryRequest for $request {
                type Response = $response;
                const METHOD: &'static str = concat!("/millpond.v1.", stringify!($service), "/", stringify!($method));

                service! { @request $($trait)* }
            }
        )*
    };
    (@request reads) => {
        fn is_safe_to_repeat(&self) -> bool {
            true
        }
    };
    (@request reads waits) => {
        service! { @request reads }
        service! { @request waits }
    };
    (@request waits) => {
        fn wait_timeout(&self) -> Option<prost_types::Duration> {
            self.wait_timeout
        }
    };
    (@request keyed) => {
        fn is_safe_to_repeat(&self) -> bool {
            !self.request_id.is_empty()
        }

        fn request_id_mut(&mut self) -> Option<&mut String> {
            Some(&mut self.request_id)
        }
    };
    (@request if $is_safe:ident) => {
        fn is_safe_to_repeat(&self) -> bool {
            $is_safe(self)
        }
    };
    (@request if $is_safe:ident waits) => {
        service! { @request if $is_safe }
        service! { @request waits }
    };
}

service! {
    /// Tasks: creating graphs of them, reporting on them, changing them. Its streams are
    /// [`Client::upload`](crate::Client::upload) and those of
    /// [`TaskServiceClient`](task_service_client::TaskServiceClient).
    TaskService, tasks:
    /// Creates a graph of tasks, all or none: in a new batch, or into an open one. [`Graph`](crate::Graph) makes the
    /// request.
    create_tasks CreateTasks(CreateTasksRequest) -> CreateTasksResponse [keyed];
    /// Reads one task, whole. Fails with `TASK_NOT_FOUND`.
    get_task GetTask(GetTaskRequest) -> GetTaskResponse [reads];
    /// Lists tasks, newest first, in keyset pages.
    list_tasks ListTasks(ListTasksRequest) -> ListTasksResponse [reads];
    /// Changes a task that has not ended.
    update_task UpdateTask(UpdateTaskRequest) -> UpdateTaskResponse [keyed];
    /// Takes reports of executors, and answers per item. [`Worker`](crate::Worker) sends its own.
    report_tasks ReportTasks(ReportTasksRequest) -> ReportTasksResponse [if are_repeatable];
    /// Adds to the counters of many tasks that have not ended.
    add_counts AddCounts(AddCountsRequest) -> AddCountsResponse [keyed];
    /// Cancels tasks that have not ended; their executors are told to stop. Answers per item.
    cancel_tasks CancelTasks(CancelTasksRequest) -> CancelTasksResponse [keyed];
    /// Holds tasks that have not started. Answers per item.
    pause_tasks PauseTasks(PauseTasksRequest) -> PauseTasksResponse [keyed];
    /// Lets held tasks go. Answers per item.
    resume_tasks ResumeTasks(ResumeTasksRequest) -> ResumeTasksResponse [keyed];
    /// Runs ended tasks again, alone or with what their failure brought down. Answers per item.
    retry_tasks RetryTasks(RetryTasksRequest) -> RetryTasksResponse [keyed];
    /// Says why a task is not running.
    explain_task ExplainTask(ExplainTaskRequest) -> ExplainTaskResponse [reads];
}

service! {
    /// Batches: the graphs, as wholes.
    BatchService, batches:
    /// Reads one batch with its statistics. Fails with `BATCH_NOT_FOUND`.
    get_batch GetBatch(GetBatchRequest) -> GetBatchResponse [reads];
    /// Lists batches, newest first, in keyset pages.
    list_batches ListBatches(ListBatchesRequest) -> ListBatchesResponse [reads];
    /// Closes an open batch: it takes no more tasks, and ends when its last task has ended.
    seal_batch SealBatch(SealBatchRequest) -> SealBatchResponse [keyed];
    /// Cancels everything in the batch that has not ended, and seals it.
    stop_batch StopBatch(StopBatchRequest) -> StopBatchResponse [keyed];
    /// Holds every future start in the batch; touches nothing that runs.
    pause_batch PauseBatch(PauseBatchRequest) -> PauseBatchResponse [keyed];
    /// Lets the batch's tasks start again.
    resume_batch ResumeBatch(ResumeBatchRequest) -> ResumeBatchResponse [keyed];
    /// Runs failed and canceled tasks of the batch, and what they brought down in it, again.
    retry_batch RetryBatch(RetryBatchRequest) -> RetryBatchResponse [keyed];
    /// Replaces the rules of all tasks of one kind in a batch that is under way.
    update_batch_rules UpdateBatchRules(UpdateBatchRulesRequest) -> UpdateBatchRulesResponse [keyed];
    /// Reads the batch's graph in pages of nodes with their incoming edges.
    get_batch_graph GetBatchGraph(GetBatchGraphRequest) -> GetBatchGraphResponse [reads];
    /// Lists the keys of rules that are in use or waited for.
    list_rule_usage ListRuleUsage(ListRuleUsageRequest) -> ListRuleUsageResponse [reads];
}

service! {
    /// Events: every committed change, in an order in which no effect comes before its cause. Its stream is
    /// [`Client::watch`](crate::Client::watch).
    EventService, events:
    /// Answers a page of the events after a cursor, and waits up to `wait_timeout` for the first one.
    list_events ListEvents(ListEventsRequest) -> ListEventsResponse [reads waits];
}

service! {
    /// Workers: remote processes that take tasks of their kinds and execute them. [`Worker`](crate::Worker) is one.
    WorkerService, workers:
    /// Claims tasks for a lease. A call that is repeated claims other tasks, so this one never is.
    claim_tasks ClaimTasks(ClaimTasksRequest) -> ClaimTasksResponse [if is_never waits];
    /// Extends leases, from now. Answers per item.
    extend_leases ExtendLeases(ExtendLeasesRequest) -> ExtendLeasesResponse [if is_always];
    /// Appends lines to the log of an attempt, all or none, in order.
    append_logs AppendLogs(AppendLogsRequest) -> AppendLogsResponse [keyed];
    /// Reads the log of an attempt in pages. [`Client::logs`](crate::Client::logs) reads all of it.
    list_logs ListLogs(ListLogsRequest) -> ListLogsResponse [reads waits];
    /// Lists workers that are connected or have claimed tasks lately, with what each runs.
    list_workers ListWorkers(ListWorkersRequest) -> ListWorkersResponse [reads];
}

service! {
    /// Deliveries: the webhook calls that tell of ends.
    DeliveryService, deliveries:
    /// Lists deliveries, newest first, in keyset pages.
    list_deliveries ListDeliveries(ListDeliveriesRequest) -> ListDeliveriesResponse [reads];
    /// Makes deliveries due again, with a fresh budget, all or none.
    replay_deliveries ReplayDeliveries(ReplayDeliveriesRequest) -> ReplayDeliveriesResponse [keyed];
}

/// The first answer to a claim may be on its way.
fn is_never(_: &ClaimTasksRequest) -> bool {
    false
}

/// An extension counts from its own time.
fn is_always(_: &ExtendLeasesRequest) -> bool {
    true
}

/// A repeated closing report is refused, so what it adds to the counters is added once; any other report adds again. A
/// report on whichever attempt is current may, when it is repeated, meet the next one.
fn are_repeatable(request: &ReportTasksRequest) -> bool {
    request.reports.iter().all(|report| {
        let is_closing = matches!(report.report, Some(Report::Success(_) | Report::Failure(_)));
        let adds_nothing = report.add_success_count == 0 && report.add_failure_count == 0;
        report.attempt != 0 && (is_closing || adds_nothing)
    })
}
