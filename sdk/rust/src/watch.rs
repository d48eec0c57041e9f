//! Watching what changes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use prost::Message;
use tokio::time::{sleep, timeout};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status, Streaming};

use crate::call::{EncodedCodec, grpc};
use crate::client::Client;
use crate::failure_streak::FailureStreak;
use crate::pull::{Pull, Source};
use crate::v1::watch_events_response::Message as Part;
use crate::v1::{WatchEventsRequest, WatchEventsResponse};
use crate::{Error, backoff};

const METHOD: &str = "/millpond.v1.EventService/WatchEvents";
/// The server speaks every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);

type Listener = Box<dyn Fn(&Error) + Send>;

impl Client {
    /// Watches what changes, in commit order: the snapshot (if the request asks for it), then every change.
    ///
    /// The stream goes on after a broken connection, from its last cursor: nothing is lost and nothing is repeated. A
    /// snapshot that breaks off begins anew: its parts come again, so take them as the newest state of what they name.
    /// It ends with an error that trying again cannot mend, such as `CURSOR_EXPIRED`. Drop it to end the call at the
    /// server.
    ///
    /// ```no_run
    /// use millpond::v1::{WatchEventsRequest, watch_events_response::Message};
    ///
    /// # async fn run(client: millpond::Client) -> Result<(), millpond::Error> {
    /// let mut changes = client.watch(WatchEventsRequest { snapshot: true, ..Default::default() });
    /// while let Some(message) = changes.next().await {
    ///     if let Some(Message::Events(list)) = message?.message {
    ///         println!("{:?}", list.events);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self, request: WatchEventsRequest) -> Watch {
        Watch(Pull::new(Watcher {
            client: self.clone(),
            request,
            silence_max: SILENCE_MAX,
            on_interrupted: None,
            current: None,
            streak: FailureStreak::default(),
            has_ended: false,
        }))
    }
}

/// A watch, by [`Client::watch`]: a stream of messages, which begins when it is first asked for one.
#[must_use = "a watch does nothing until it is asked for a message"]
pub struct Watch(Pull<Watcher>);

impl Watch {
    /// How long a connection may say nothing before it is taken for broken. Default 45 s; the server speaks every 15 s.
    /// Before the first message is asked for.
    pub fn silence_max(self, silence_max: Duration) -> Self {
        Self(self.0.with(|watcher| watcher.silence_max = silence_max))
    }

    /// Is told of each connection that broke, before the watch goes on. Before the first message is asked for.
    pub fn on_interrupted(self, listener: impl Fn(&Error) + Send + 'static) -> Self {
        Self(self.0.with(|watcher| watcher.on_interrupted = Some(Box::new(listener))))
    }

    /// The next message; `None` after an error. No message is lost when its future is dropped.
    pub async fn next(&mut self) -> Option<Result<WatchEventsResponse, Error>> {
        StreamExt::next(self).await
    }
}

impl Stream for Watch {
    type Item = Result<WatchEventsResponse, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Watch")
    }
}

struct Watcher {
    client: Client,
    /// With the place to go on from.
    request: WatchEventsRequest,
    silence_max: Duration,
    on_interrupted: Option<Listener>,
    current: Option<Streaming<WatchEventsResponse>>,
    streak: FailureStreak,
    has_ended: bool,
}

impl Source for Watcher {
    type Item = WatchEventsResponse;

    async fn next(&mut self) -> Option<Result<WatchEventsResponse, Error>> {
        while !self.has_ended {
            match self.receive().await {
                Ok(Some(message)) => return Some(Ok(self.pass(message))),
                // The server ends a connection at its greatest age.
                Ok(None) => {
                    let delay = backoff::delay(self.streak.ended());
                    self.pause(delay).await;
                }
                Err(error) => match backoff::before_resuming(&error, self.streak.ended()) {
                    Some(delay) => {
                        self.on_interrupted.iter().for_each(|listener| listener(&error));
                        self.pause(delay).await;
                    }
                    None => {
                        self.has_ended = true;
                        return Some(Err(error));
                    }
                },
            }
        }
        None
    }
}

impl Watcher {
    async fn pause(&mut self, delay: Duration) {
        self.current = None;
        sleep(delay).await;
    }

    fn pass(&mut self, message: WatchEventsResponse) -> WatchEventsResponse {
        self.streak.welcomed();
        // Cursors move on by themselves, and a part of a snapshot comes again when it breaks off.
        if let Some(Part::Events(_) | Part::SnapshotDone(_)) = &message.message {
            self.streak.progressed();
        }
        if !message.cursor.is_empty() {
            self.request.cursor.clone_from(&message.cursor);
            self.request.snapshot = false;
        }
        message
    }

    /// The next message of the connection, which is made where there is none; `None`: the server has ended it.
    async fn receive(&mut self) -> Result<Option<WatchEventsResponse>, Error> {
        let connection = self.client.connection_number();
        match timeout(self.silence_max, self.receive_at_last()).await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(status)) => Err(self.client.error_of(status)),
            Err(_) => {
                self.client.give_up_connection(connection);
                Err(Error::silence(self.client.address(), self.silence_max))
            }
        }
    }

    async fn receive_at_last(&mut self) -> Result<Option<WatchEventsResponse>, Status> {
        let stream = match &mut self.current {
            Some(stream) => stream,
            None => self.current.insert(open(&self.client, &self.request).await?),
        };
        stream.message().await
    }
}

async fn open(client: &Client, request: &WatchEventsRequest) -> Result<Streaming<WatchEventsResponse>, Status> {
    let mut grpc = grpc(client).await?;
    let request = Request::new(request.encode_to_vec().into());
    let response = grpc.server_streaming(request, PathAndQuery::from_static(METHOD), EncodedCodec::default()).await?;
    Ok(response.into_inner())
}
