use crate::fake_server::{FakeServer, within};
use crate::{busy, refusal};
use millpond::v1::*;
use millpond::{Client, Graph, TaskSpec};
use std::future::IntoFuture;
use std::time::Duration;
use tonic::{Code, Status};

const GET_TASK: &str = "TaskService/GetTask";
const STOP_BATCH: &str = "BatchService/StopBatch";
const CLAIM: &str = "WorkerService/ClaimTasks";

fn found(_: &GetTaskRequest) -> Result<GetTaskResponse, Status> {
    Ok(GetTaskResponse { task: Some(Task { key: "a".into(), ..Task::default() }), ..GetTaskResponse::default() })
}

fn away<Q, A>(_: &Q) -> Result<A, Status> {
    Err(Status::unavailable("as a test says"))
}

#[tokio::test]
async fn a_read_is_repeated_until_it_is_answered() {
    let server = FakeServer::start().await;
    let client = server.client();
    let script = async {
        server.answer(GET_TASK, away::<GetTaskRequest, GetTaskResponse>).await;
        let broken = server.take::<GetTaskRequest, GetTaskResponse>(GET_TASK).await;
        server.disconnect();
        broken.canceled().await;
        server.answer(GET_TASK, |_: &GetTaskRequest| Err::<GetTaskResponse, _>(busy(Duration::from_millis(1)))).await;
        server.answer(GET_TASK, found).await;
    };
    let (response, ()) =
        within(async { tokio::join!(client.tasks().get_task(GetTaskRequest::default()), script) }).await;
    assert_eq!(response.expect("an answer").task.expect("a task").key, "a");
}

#[tokio::test]
async fn five_attempts_are_made_in_all() {
    let server = FakeServer::start().await;
    let client = server.client();
    let script = async {
        for _ in 0..5 {
            server.answer(GET_TASK, away::<GetTaskRequest, GetTaskResponse>).await;
        }
    };
    let (response, ()) =
        within(async { tokio::join!(client.tasks().get_task(GetTaskRequest::default()), script) }).await;
    let error = response.expect_err("it fails");
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.message(), format!("{}: as a test says", server.address()));
}

#[tokio::test]
async fn all_attempts_of_a_mutation_share_the_request_id_that_it_got() {
    let server = FakeServer::start().await;
    let client = server.client();
    let script = async {
        let first = server.answer(STOP_BATCH, away::<StopBatchRequest, StopBatchResponse>).await;
        let second = server.answer(STOP_BATCH, |_: &StopBatchRequest| Ok(StopBatchResponse::default())).await;
        (first.request_id, second.request_id)
    };
    let call = client.batches().stop_batch(StopBatchRequest::default());
    let (response, (first, second)) = within(async { tokio::join!(call, script) }).await;
    response.expect("an answer");
    assert!(!first.is_empty());
    assert_eq!(first, second);
}

#[tokio::test]
async fn claims_and_the_calls_of_a_client_that_repeats_none_are_made_once() {
    let server = FakeServer::start().await;
    let client = server.client();
    let claim = async { client.workers().claim_tasks(ClaimTasksRequest::default()).await };
    let (claimed, _) =
        within(async { tokio::join!(claim, server.answer(CLAIM, away::<ClaimTasksRequest, ClaimTasksResponse>)) })
            .await;
    assert_eq!(claimed.expect_err("it fails").code(), Code::Unavailable);

    let client = Client::builder(server.address()).retry(false).build().expect("an address");
    let read = async { client.tasks().get_task(GetTaskRequest::default()).await };
    let (read, _) =
        within(async { tokio::join!(read, server.answer(GET_TASK, away::<GetTaskRequest, GetTaskResponse>)) }).await;
    assert_eq!(read.expect_err("it fails").code(), Code::Unavailable);
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let server = FakeServer::start().await;
    let client = server.client();
    let script = server.answer(GET_TASK, |_: &GetTaskRequest| {
        Err::<GetTaskResponse, _>(refusal(Code::NotFound, ErrorReason::TaskNotFound))
    });
    let call = async { client.tasks().get_task(GetTaskRequest::default()).await };
    let (response, _) = within(async { tokio::join!(call, script) }).await;
    let error = response.expect_err("it fails");
    assert_eq!((error.code(), error.reason()), (Code::NotFound, ErrorReason::TaskNotFound));
    assert_eq!(error.message(), "as a test says");
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_costs_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let client = Client::builder(&address).timeout(Duration::from_millis(50)).build().expect("an address");
    let error = within(client.tasks().get_task(GetTaskRequest::default())).await.expect_err("it fails");
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().starts_with(&address), "{error}");
}

#[tokio::test]
async fn where_nobody_listens_the_error_names_the_address_and_the_cause() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = within(Client::new(&address).expect("an address").tasks().list_tasks(ListTasksRequest::default()))
        .await
        .expect_err("it fails");
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().starts_with(&address), "{error}");
    assert!(error.message().to_lowercase().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn a_call_carries_its_deadline_and_the_token() {
    let server = FakeServer::start().await;
    let client = Client::builder(server.address()).token("secret").build().expect("an address");
    let mut request = tonic::Request::new(GetTaskRequest::default());
    request.set_timeout(Duration::from_secs(7));
    let call = async { client.tasks().get_task(request).await };
    let script = async {
        let exchange = server.take::<GetTaskRequest, GetTaskResponse>(GET_TASK).await;
        exchange.send(GetTaskResponse::default());
        exchange.headers.clone()
    };
    let (response, headers) = within(async { tokio::join!(call, script) }).await;
    response.expect("an answer");
    assert_eq!(headers["authorization"], "Bearer secret");
    assert!(headers["grpc-timeout"].to_str().expect("text").starts_with("69") || headers["grpc-timeout"] == "7000000u");
}

#[tokio::test]
async fn a_call_whose_future_is_dropped_ends_at_the_server() {
    let server = FakeServer::start().await;
    let client = server.client();
    let call = tokio::spawn(async move { client.workers().claim_tasks(ClaimTasksRequest::default()).await });
    let exchange = server.take::<ClaimTasksRequest, ClaimTasksResponse>(CLAIM).await;
    call.abort();
    exchange.canceled().await;
}

#[tokio::test]
async fn an_upload_is_repeated_whole_under_its_request_id() {
    let server = FakeServer::start().await;
    let client = server.client();
    let mut graph = Graph::new("large");
    for key in ["a", "b", "c"] {
        graph.task(TaskSpec::new(key, "kind")).expect("a key that is free");
    }
    let upload = client.upload(graph.build()).part_size(2).into_future();
    let script = async {
        let mut ids = Vec::new();
        for is_last in [false, true] {
            let mut exchange = server.take::<UploadTasksRequest, UploadTasksResponse>("TaskService/UploadTasks").await;
            ids.push(exchange.next().await.request_id);
            let sizes = [exchange.next().await.tasks.len(), exchange.next().await.tasks.len()];
            assert_eq!(sizes, [2, 1]);
            assert!(exchange.try_next().await.is_none());
            if is_last {
                exchange.send(UploadTasksResponse { created_count: 3, ..UploadTasksResponse::default() });
            } else {
                exchange.fail(Status::unavailable("as a test says"));
            }
        }
        ids
    };
    let (response, ids) = within(async { tokio::join!(upload, script) }).await;
    assert_eq!(response.expect("an answer").created_count, 3);
    assert!(!ids[0].is_empty());
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_deadline_may_be_never_also_for_a_call_that_waits() {
    let server = FakeServer::start().await;
    let client = Client::builder(server.address()).timeout(Duration::MAX).build().expect("a client");
    let wait_timeout = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let request = ClaimTasksRequest { wait_timeout, ..ClaimTasksRequest::default() };
    let script = server.answer(CLAIM, |_: &ClaimTasksRequest| Ok(ClaimTasksResponse::default()));
    let (response, _) = within(async { tokio::join!(client.workers().claim_tasks(request), script) }).await;
    response.expect("an answer");
}

#[test]
fn a_client_outlives_the_runtime_of_its_first_call() {
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let servers = runtime();
    let server = servers.block_on(FakeServer::start());
    let client = server.client();
    for _ in 0..2 {
        let call = runtime();
        let response = call.spawn({
            let client = client.clone();
            async move { client.workers().claim_tasks(ClaimTasksRequest::default()).await }
        });
        servers.block_on(server.answer(CLAIM, |_: &ClaimTasksRequest| Ok(ClaimTasksResponse::default())));
        call.block_on(response).expect("it ends").expect("an answer");
    }
    servers.block_on(async { drop(server) });
}
