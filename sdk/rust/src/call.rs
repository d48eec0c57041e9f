//! Unary calls: deadlines, request ids, and repeats of what is safe to repeat.

use std::marker::PhantomData;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Bytes;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::{IntoRequest, Request, Status};

use crate::client::Client;
use crate::time::after;
use crate::{Error, Transport, backoff, random};

/// The largest message that is taken.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request of a unary method: its type says which method, and what answers it. The contract gives each method a
/// request of its own, so [`Client::call`] needs no more than the request.
pub trait UnaryRequest: prost::Message + Clone + 'static + sealed::Sealed {
    /// What answers it.
    type Response: prost::Message + Default + 'static;
    /// The method, such as `/millpond.v1.TaskService/GetTask`.
    const METHOD: &'static str;

    /// Whether a call with it does no harm when it is made twice.
    #[doc(hidden)]
    fn is_safe_to_repeat(&self) -> bool;

    /// Its `request_id`, if it has such a field.
    #[doc(hidden)]
    fn request_id_mut(&mut self) -> Option<&mut String> {
        None
    }

    /// Its `wait_timeout`, if it has such a field and it is given.
    #[doc(hidden)]
    fn wait_timeout(&self) -> Option<prost_types::Duration> {
        None
    }
}

pub(crate) mod sealed {
    /// Requests come from the contract only.
    pub trait Sealed {}
}

impl Client {
    /// Makes the unary call of a request. [`Client::tasks`] and its siblings name the methods.
    ///
    /// `request` is the message, or a [`tonic::Request`] around it that adds metadata or, by
    /// [`set_timeout`](tonic::Request::set_timeout), a deadline of its own. To cancel a call, drop its future.
    pub async fn call<R: UnaryRequest>(&self, request: impl IntoRequest<R>) -> Result<R::Response, Error> {
        let (metadata, _, mut message) = request.into_request().into_parts();
        if let Some(request_id) = message.request_id_mut()
            && request_id.is_empty()
        {
            *request_id = random::unique_id();
        }
        let timeout = timeout_of(&metadata).unwrap_or_else(|| self.timeout().saturating_add(wait_of(&message)));
        let call = Call::<R> {
            client: self,
            metadata,
            message: message.encode_to_vec().into(),
            timeout,
            deadline: after(timeout),
            response: PhantomData,
        };
        call.run(self.repeats() && message.is_safe_to_repeat()).await
    }
}

/// One call, with all of its attempts.
struct Call<'a, R: UnaryRequest> {
    client: &'a Client,
    metadata: MetadataMap,
    /// The request as it travels.
    message: Bytes,
    timeout: Duration,
    deadline: Instant,
    response: PhantomData<fn() -> R>,
}

impl<R: UnaryRequest> Call<'_, R> {
    async fn run(self, may_repeat: bool) -> Result<R::Response, Error> {
        for attempt in 1.. {
            let error = match timeout_at(self.deadline, self.attempt()).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(status)) => Error::from_status(status, self.client.address()),
                Err(_) => return Err(Error::deadline(self.client.address(), self.timeout)),
            };
            let delay = (may_repeat && attempt < backoff::ATTEMPTS_MAX)
                .then(|| backoff::before_repeat(&error, attempt))
                .flatten();
            match delay.map(|delay| Instant::now() + delay) {
                Some(at) if at < self.deadline => sleep_until(at).await,
                _ => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn attempt(&self) -> Result<R::Response, Status> {
        let mut request = Request::new(self.message.clone());
        *request.metadata_mut() = self.metadata.clone();
        request.set_timeout(self.deadline.saturating_duration_since(Instant::now()));
        let mut grpc = grpc(self.client).await?;
        let response = grpc.unary(request, PathAndQuery::from_static(R::METHOD), EncodedCodec::default()).await?;
        Ok(response.into_inner())
    }
}

/// The transport, ready for a call, with the bounds of the SDK.
pub(crate) async fn grpc(client: &Client) -> Result<Grpc<Transport>, Status> {
    let number = client.connection_number();
    if let Ok(grpc) = ready(client.transport()).await {
        return Ok(grpc);
    }
    // The runtime that it was made in has ended.
    client.give_up_connection(number);
    ready(client.transport()).await
}

async fn ready(transport: Transport) -> Result<Grpc<Transport>, Status> {
    let mut grpc = Grpc::new(transport).max_decoding_message_size(MESSAGE_BYTES_MAX);
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    Ok(grpc)
}

/// Sends messages that are encoded already, so that a repeat need not copy the request, and decodes what answers.
pub(crate) struct EncodedCodec<T>(PhantomData<fn() -> T>);

impl<T> Default for EncodedCodec<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: prost::Message + Default + 'static> Codec for EncodedCodec<T> {
    type Encode = Bytes;
    type Decode = T;
    type Encoder = EncodedCodec<T>;
    type Decoder = EncodedCodec<T>;

    fn encoder(&mut self) -> Self::Encoder {
        Self::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Self::default()
    }
}

impl<T> Encoder for EncodedCodec<T> {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, destination: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put(destination, item);
        Ok(())
    }
}

impl<T: prost::Message + Default> Decoder for EncodedCodec<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(source).map(Some).map_err(|error| Status::internal(format!("the answer cannot be read: {error}")))
    }
}

fn wait_of(message: &impl UnaryRequest) -> Duration {
    message.wait_timeout().and_then(|wait| wait.try_into().ok()).unwrap_or_default()
}

/// The timeout that the caller has set, as gRPC writes it: up to eight digits and a unit.
fn timeout_of(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount.saturating_mul(3_600))),
        "M" => Some(Duration::from_secs(amount.saturating_mul(60))),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;
    use crate::v1::task_report::{Failure, Heartbeat, Report, Success};

    #[test]
    fn a_timeout_of_the_callers_is_read_back() {
        for timeout in [1, 999, 123_456, 5_000_000_000].map(Duration::from_millis) {
            let mut request = Request::new(());
            request.set_timeout(timeout);
            assert_eq!(timeout_of(request.metadata()), Some(timeout));
        }
        assert_eq!(timeout_of(&MetadataMap::new()), None);
    }

    #[test]
    fn a_call_waits_as_long_as_it_asks_the_server_to_wait() {
        let wait_timeout = Some(prost_types::Duration { seconds: 20, nanos: 500_000_000 });
        let claim = v1::ClaimTasksRequest { wait_timeout, ..Default::default() };
        assert_eq!(wait_of(&claim), Duration::from_millis(20_500));
        assert_eq!(wait_of(&v1::GetTaskRequest::default()), Duration::ZERO);
    }

    fn reports(attempt: i32, report: Report, counted: i64) -> v1::ReportTasksRequest {
        let report = v1::TaskReport { attempt, report: Some(report), add_success_count: counted, ..Default::default() };
        v1::ReportTasksRequest { reports: vec![report], brief: true }
    }

    #[test]
    fn reports_are_safe_to_repeat_unless_they_may_count_or_begin_twice() {
        let success = || Report::Success(Success::default());
        assert!(reports(1, success(), 5).is_safe_to_repeat());
        assert!(reports(1, Report::Failure(Failure::default()), 5).is_safe_to_repeat());
        assert!(reports(1, Report::Heartbeat(Heartbeat::default()), 0).is_safe_to_repeat());
        assert!(!reports(1, Report::Heartbeat(Heartbeat::default()), 5).is_safe_to_repeat());
        assert!(!reports(0, success(), 0).is_safe_to_repeat());
    }

    #[test]
    fn reads_extensions_and_calls_with_a_request_id_are_safe_to_repeat_and_claims_are_not() {
        assert!(v1::GetTaskRequest::default().is_safe_to_repeat());
        assert!(v1::ListLogsRequest::default().is_safe_to_repeat());
        assert!(v1::ExtendLeasesRequest::default().is_safe_to_repeat());
        assert!(v1::StopBatchRequest { request_id: "a".into(), ..Default::default() }.is_safe_to_repeat());
        assert!(!v1::ClaimTasksRequest::default().is_safe_to_repeat());
    }
}
