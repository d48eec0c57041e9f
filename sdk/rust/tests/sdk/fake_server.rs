//! A server on loopback that does what a test says, call by call.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use millpond::Client;
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

/// What a test waits for comes long before this.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for what is sure to come.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("it comes in time")
}

/// The calls that nobody has taken yet, by method.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<HashMap<String, Queue>>>);

type Queue = (mpsc::UnboundedSender<Arrived>, Option<mpsc::UnboundedReceiver<Arrived>>);

impl Waiting {
    fn push(&self, method: &str, call: Arrived) {
        let sender = self.queue(method, |(sender, _)| sender.clone());
        sender.send(call).unwrap_or_else(|_| panic!("nobody takes {method} any more"));
    }

    async fn pop(&self, method: &str) -> Arrived {
        let mut receiver = self.queue(method, |(_, receiver)| receiver.take()).expect("one test takes it at a time");
        let call = receiver.recv().await.expect("the sender is kept");
        self.queue(method, |(_, place)| *place = Some(receiver));
        call
    }

    fn queue<T>(&self, method: &str, then: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queues = self.0.lock().expect("no holder panics");
        then(queues.entry(method.to_owned()).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            (sender, Some(receiver))
        }))
    }
}

/// A call that has arrived.
struct Arrived {
    request: Request<Incoming>,
    reply: oneshot::Sender<Response<Body>>,
}

/// Those under way, and how many there have been.
#[derive(Clone, Default)]
struct Connections {
    serving: Arc<Mutex<JoinSet<()>>>,
    accepted: Arc<AtomicUsize>,
}

/// The server. It ends when it is dropped.
pub struct FakeServer {
    address: SocketAddr,
    waiting: Waiting,
    connections: Connections,
    accepting: JoinHandle<()>,
}

impl FakeServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (waiting, connections) = (Waiting::default(), Connections::default());
        let accepting = tokio::spawn(accept(listener, waiting.clone(), connections.clone()));
        Self { address, waiting, connections, accepting }
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn client(&self) -> Client {
        Client::new(self.address()).expect("an address")
    }

    /// Waits for a call of a method and takes it.
    pub async fn take<Q, A>(&self, method: &str) -> Exchange<Q, A>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let Arrived { request, reply } = within(self.waiting.pop(method)).await;
        let headers = request.headers().clone();
        let (responses, answers) = mpsc::unbounded_channel();
        let (opened, requests) = oneshot::channel();
        let service = Open { opened: Some(opened), answers: Some(answers) };
        let response = Grpc::new(ProstCodec::default()).streaming(service, request).await;
        // Who called may have gone.
        let _ = reply.send(response);
        Exchange { headers, requests: requests.await.expect("it is opened"), responses }
    }

    /// Waits for a unary call of a method and answers it.
    pub async fn answer<Q, A>(&self, method: &str, answer: impl FnOnce(&Q) -> Result<A, Status>) -> Q
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let mut call = self.take::<Q, A>(method).await;
        let request = call.next().await;
        match answer(&request) {
            Ok(answer) => call.send(answer),
            Err(status) => call.fail(status),
        }
        request
    }

    /// How many connections have been made so far.
    pub fn connections(&self) -> usize {
        self.connections.accepted.load(Ordering::Relaxed)
    }

    /// Breaks all connections.
    pub fn disconnect(&self) {
        self.connections.serving.lock().expect("no holder panics").abort_all();
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.disconnect();
    }
}

async fn accept(listener: TcpListener, waiting: Waiting, connections: Connections) {
    while let Ok((socket, _)) = listener.accept().await {
        connections.accepted.fetch_add(1, Ordering::Relaxed);
        let mut serving = connections.serving.lock().expect("no holder panics");
        serving.spawn(serve(socket, waiting.clone()));
    }
}

async fn serve(socket: TcpStream, waiting: Waiting) {
    let service = service_fn(move |request: Request<Incoming>| {
        let waiting = waiting.clone();
        async move {
            let method = request.uri().path().trim_start_matches("/millpond.v1.").to_owned();
            let (reply, response) = oneshot::channel();
            waiting.push(&method, Arrived { request, reply });
            // A call that is never taken hangs.
            let response = match response.await {
                Ok(response) => response,
                Err(_) => std::future::pending().await,
            };
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // How a connection ends is what tests are about.
    let _ = connection.serve_connection(TokioIo::new(socket), service).await;
}

/// A call under way: unary ones have one message each way.
pub struct Exchange<Q, A> {
    pub headers: HeaderMap,
    requests: Streaming<Q>,
    responses: mpsc::UnboundedSender<Result<A, Status>>,
}

impl<Q, A> Exchange<Q, A> {
    /// The next message of the client.
    pub async fn next(&mut self) -> Q {
        self.try_next().await.expect("a message")
    }

    /// The next message of the client; `None`: it has ended its side, or canceled the call.
    pub async fn try_next(&mut self) -> Option<Q> {
        within(self.requests.message()).await.ok().flatten()
    }

    pub fn send(&self, message: A) {
        // Who called may have gone.
        let _ = self.responses.send(Ok(message));
    }

    pub fn fail(self, status: Status) {
        let _ = self.responses.send(Err(status));
    }

    /// Waits until the client has canceled the call, or the connection is broken.
    pub async fn canceled(&self) {
        within(self.responses.closed()).await;
    }
}

/// Hands the two sides of a call out.
struct Open<Q, A> {
    opened: Option<oneshot::Sender<Streaming<Q>>>,
    answers: Option<mpsc::UnboundedReceiver<Result<A, Status>>>,
}

impl<Q, A: Send + 'static> StreamingService<Q> for Open<Q, A> {
    type Response = A;
    type ResponseStream = Answers<A>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Q>>) -> Self::Future {
        if let Some(opened) = self.opened.take() {
            let _ = opened.send(request.into_inner());
        }
        let answers = self.answers.take().expect("it is called once");
        std::future::ready(Ok(tonic::Response::new(Answers::new(answers))))
    }
}

type Answers<A> = tokio_stream::wrappers::UnboundedReceiverStream<Result<A, Status>>;
