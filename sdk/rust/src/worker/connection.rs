//! One stream of a worker.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use super::cancel::CancelReason;
use super::core::{Core, LiveStream};
use crate::call::grpc;
use crate::failure_streak::FailureStreak;
use crate::time::after;
use crate::v1::work_request::Message as Request;
use crate::v1::work_response::Message as Response;
use crate::v1::{LeaseRef, WorkRequest, WorkResponse, WorkerCredit, WorkerDrain, WorkerWelcome};
use crate::{Code, Error};

const METHOD: &str = "/millpond.v1.WorkerService/Work";
/// How long a welcome may take: a proxy that does not let messages through both ways never brings it.
const WELCOME_MAX: Duration = Duration::from_secs(5);
/// How long the end of the stream may take once this side has ended it.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// Where the server does not say it.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// How a stream ended.
pub(super) struct End {
    /// `None`: without an error.
    pub(super) error: Option<Error>,
    pub(super) was_welcomed: bool,
    /// The server stops, and has said so.
    pub(super) was_drained: bool,
    /// No welcome came in time.
    pub(super) is_late: bool,
}

/// A stream under way.
struct Connection<'a> {
    core: &'a Arc<Core>,
    streak: &'a mut FailureStreak,
    /// `None`: this side has ended it.
    requests: Option<mpsc::UnboundedSender<WorkRequest>>,
    /// How long a lease lasts, once it is welcomed.
    lease: Option<Duration>,
    was_drained: bool,
    has_told_to_drain: bool,
    /// When it is given up, unless something comes.
    until: Instant,
    /// Of the client: what is silent is not used again.
    number: u64,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.end_sending();
        self.core.pool.void_credit();
    }
}

/// Keeps a stream, from its hello to its end.
pub(super) async fn run(core: &Arc<Core>, streak: &mut FailureStreak) -> End {
    let (requests, unsent) = mpsc::unbounded_channel();
    let mut connection = Connection {
        core,
        streak,
        requests: Some(requests),
        lease: None,
        was_drained: false,
        has_told_to_drain: false,
        until: after(WELCOME_MAX),
        number: core.client().connection_number(),
    };
    connection.send(Request::Hello(core.hello()));
    let result = connection.exchange(unsent).await;
    let was_welcomed = connection.lease.is_some();
    let is_late = matches!(&result, Err(Stop::Silent)) && !was_welcomed;
    let error = match result {
        Ok(()) | Err(Stop::Asked) => None,
        Err(Stop::Status(status)) => Some(core.client().error_of(status)),
        Err(Stop::Silent) => Some(connection.silence()),
    };
    End { error, was_welcomed, was_drained: connection.was_drained, is_late }
}

impl Connection<'_> {
    /// Makes the stream, and takes what comes until it ends.
    async fn exchange(&mut self, unsent: mpsc::UnboundedReceiver<WorkRequest>) -> Result<(), Stop> {
        let mut responses = self.open(unsent).await?;
        let phases = &self.core.phases;
        let mut changes = self.core.pool.changes();
        loop {
            let (is_live, may_drain) = (self.requests.is_some(), !self.has_told_to_drain);
            tokio::select! {
                response = responses.message() => match response? {
                    Some(response) => self.take(response),
                    None => return Ok(()),
                },
                // The sender lives as long as the worker.
                _ = changes.changed(), if is_live => self.give_credit(),
                () = phases.draining.cancelled(), if is_live && may_drain => self.drain(),
                () = phases.closing.cancelled(), if is_live => self.close(),
                () = sleep_until(self.until) => return Err(Stop::Silent),
            }
        }
    }

    /// A worker that takes no more needs no stream that it does not have yet.
    async fn open(&self, mut unsent: mpsc::UnboundedReceiver<WorkRequest>) -> Result<Streaming<WorkResponse>, Stop> {
        let requests = stream::poll_fn(move |context| unsent.poll_recv(context));
        let opened = async {
            let mut grpc = grpc(self.core.client()).await?;
            let request = tonic::Request::new(requests);
            grpc.streaming(request, PathAndQuery::from_static(METHOD), ProstCodec::default()).await
        };
        tokio::select! {
            response = opened => Ok(response?.into_inner()),
            () = self.core.phases.draining.cancelled() => Err(Stop::Asked),
            () = sleep_until(self.until) => Err(Stop::Silent),
        }
    }

    fn take(&mut self, response: WorkResponse) {
        // Only a welcome ends the wait for it.
        if self.lease.is_some() && self.requests.is_some() {
            self.until = after(self.core.options.silence_max);
        }
        match response.message {
            Some(Response::Welcome(welcome)) => self.welcome(&welcome),
            Some(Response::Assignments(list)) => {
                let count = list.assignments.len();
                if count > 0 {
                    self.streak.progressed();
                }
                self.core.begin(list.assignments, self.lease.unwrap_or_default());
                self.core.pool.use_credit(count);
            }
            Some(Response::Cancel(cancel)) => {
                let lease = LeaseRef { task_id: cancel.task_id, attempt: cancel.attempt };
                let default = || "the server asked to stop the attempt".to_owned();
                let message = Some(cancel.reason).filter(|reason| !reason.is_empty()).unwrap_or_else(default);
                self.cancel(&lease, CancelReason::CancelRequested, &message);
            }
            Some(Response::LeaseLost(lost)) => {
                let lease = lost.lease.unwrap_or_default();
                self.cancel(&lease, CancelReason::LeaseLost, "the attempt is no longer this worker's");
            }
            // Another stream is made; nothing waits for an answer of this one.
            Some(Response::Drain(_)) => {
                self.was_drained = true;
                self.close();
            }
            // Answers to what does not go over the stream, and what a later version of the server says.
            Some(Response::ReportResults(_) | Response::LogsTaken(_)) | None => {}
        }
    }

    fn welcome(&mut self, welcome: &WorkerWelcome) {
        let read = |given: Option<prost_types::Duration>| given.and_then(|given| Duration::try_from(given).ok());
        let heartbeat_interval = read(welcome.heartbeat_interval).unwrap_or(HEARTBEAT_INTERVAL);
        let lease = read(welcome.lease).unwrap_or(heartbeat_interval * 2);
        self.lease = Some(lease);
        self.streak.welcomed();
        self.until = after(self.core.options.silence_max);
        self.core.pool.pause_claims();
        let requests = self.requests.clone();
        self.core.set_live_stream(requests.map(|requests| LiveStream { requests, heartbeat_interval, lease }));
        // The attempts of a stream before go on with this one.
        self.core.welcomed.notify_one();
        self.give_credit();
    }

    /// Gives credit for the slots that are free, never for more.
    fn give_credit(&self) {
        if self.lease.is_none() || self.requests.is_none() || self.core.is_draining() {
            return;
        }
        let tasks = self.core.pool.give_credit();
        if tasks > 0 {
            self.send(Request::Credit(WorkerCredit { tasks: i32::try_from(tasks).unwrap_or(i32::MAX) }));
        }
    }

    fn cancel(&self, lease: &LeaseRef, reason: CancelReason, message: &str) {
        if let Some(attempt) = self.core.pool.find(lease) {
            attempt.cancel(reason, message);
        }
    }

    /// Takes no more tasks.
    fn drain(&mut self) {
        self.has_told_to_drain = true;
        self.send(Request::Drain(WorkerDrain {}));
    }

    /// Ends this side of the stream; what was on its way comes before the other side ends, too.
    fn close(&mut self) {
        self.end_sending();
        self.until = after(CLOSE_MAX);
    }

    fn send(&self, request: Request) {
        if let Some(requests) = &self.requests {
            // A stream that has ended tells so by what it brings.
            let _ = requests.send(WorkRequest { message: Some(request) });
        }
    }

    fn end_sending(&mut self) {
        self.core.set_live_stream(None);
        self.requests = None;
    }

    /// Whoever stands in between may keep a connection to a server that has gone. Then heartbeats extend nothing,
    /// whatever this side believes.
    fn silence(&self) -> Error {
        let client = self.core.client();
        client.give_up_connection(self.number);
        if self.lease.is_some() {
            return Error::silence(client.address(), self.core.options.silence_max);
        }
        let message = format!("{}: no welcome came within {WELCOME_MAX:?}", client.address());
        Error::plain(Code::DeadlineExceeded, message)
    }
}

/// Why an exchange stopped before the server has ended it.
enum Stop {
    Status(Status),
    Silent,
    /// The worker drains.
    Asked,
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}
