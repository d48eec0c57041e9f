//! The connection to a server.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::address::Address;
use crate::{Error, InvalidArgument};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// A connection that is not made by then is tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a connection is asked for a sign of life, and how long that may take.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// What may be on its way of one stream, and of all: a watch that is not read must not hold up the calls beside it.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024 * 1024;

/// What calls travel by: for the generated clients in [`v1`](crate::v1), where they are needed.
pub type Transport = InterceptedService<Channel, Authorization>;

/// A client of a server, for all of its services. Cheap to clone: clones share one connection, which ends with the last
/// of them. It lives in the Tokio runtime that made it: where that has ended, the next call makes another one.
///
/// - A unary call that gives no deadline has 30 s, plus its `wait_timeout` if it has one.
/// - A mutation with an empty `request_id` gets one.
/// - What is safe to repeat is repeated when the server is away or asks for it: 5 attempts in all, within the deadline.
/// - To cancel a call, drop its future.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    address: Address,
    endpoint: Endpoint,
    connection: Mutex<Connection>,
    authorization: Authorization,
    timeout: Duration,
    repeats: bool,
}

/// The connection that calls are made by.
#[derive(Default)]
struct Connection {
    /// How many were given up before it.
    number: u64,
    /// Made by the first call, within the runtime that makes it.
    channel: Option<Channel>,
}

impl Client {
    /// Makes a client of the server at an address such as `http://127.0.0.1:8085`. Without a scheme `http://` is meant;
    /// `https://` is TLS. It connects with the first call.
    pub fn new(address: impl AsRef<str>) -> Result<Self, InvalidArgument> {
        Self::builder(address).build()
    }

    /// Begins a client that needs a token or another deadline.
    pub fn builder(address: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder { address: address.as_ref().to_owned(), token: None, timeout: TIMEOUT_DEFAULT, repeats: true }
    }

    /// The address of the server.
    pub fn address(&self) -> &str {
        &self.0.address.text
    }

    /// What calls travel by, for a generated client: `TaskServiceClient::new(client.transport())`. Such a client answers
    /// what [tonic](tonic) does; deadlines, request ids and repeats are left to the caller.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn transport(&self) -> Transport {
        let channel = self.connection().channel.get_or_insert_with(|| self.0.endpoint.connect_lazy()).clone();
        InterceptedService::new(channel, self.0.authorization.clone())
    }

    /// Which connection calls are made by.
    pub(crate) fn connection_number(&self) -> u64 {
        self.connection().number
    }

    /// Makes later calls by another connection, unless that is so already: this one is silent. Calls under way stay.
    pub(crate) fn give_up_connection(&self, number: u64) {
        let mut connection = self.connection();
        if connection.number == number {
            *connection = Connection { number: number + 1, channel: None };
        }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a status means that a generated client has answered.
    pub fn error_of(&self, status: Status) -> Error {
        Error::from_status(status, self.address())
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    pub(crate) fn repeats(&self) -> bool {
        self.0.repeats
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// A client in the making.
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder {
    address: String,
    token: Option<String>,
    timeout: Duration,
    repeats: bool,
}

impl ClientBuilder {
    /// Sent as `authorization: Bearer …` with every call. Default: none.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The deadline of a unary call that gives none. Default 30 s. A call that waits for something gets its wait on top;
    /// streams have no deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether calls that are safe to repeat are repeated. Default true.
    pub fn retry(mut self, retry: bool) -> Self {
        self.repeats = retry;
        self
    }

    /// Makes the client. Refuses what is no address, and a token that no header can carry.
    pub fn build(self) -> Result<Client, InvalidArgument> {
        let address = Address::parse(&self.address)?;
        let endpoint = Endpoint::from(address.uri.clone())
            .user_agent(concat!("millpond-rust/", env!("CARGO_PKG_VERSION")))
            .map_err(refused)?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        Ok(Client(Arc::new(Inner {
            endpoint: secure(endpoint, &address)?,
            address,
            connection: Mutex::default(),
            authorization: Authorization::new(self.token.as_deref())?,
            timeout: self.timeout,
            repeats: self.repeats,
        })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientBuilder").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(feature = "tls")]
fn secure(endpoint: Endpoint, address: &Address) -> Result<Endpoint, InvalidArgument> {
    if !address.is_tls() {
        return Ok(endpoint);
    }
    endpoint.tls_config(tonic::transport::ClientTlsConfig::new().with_native_roots()).map_err(refused)
}

#[cfg(not(feature = "tls"))]
fn secure(endpoint: Endpoint, address: &Address) -> Result<Endpoint, InvalidArgument> {
    if address.is_tls() {
        return Err(InvalidArgument::new(format!(
            "{}: this build has no TLS; enable the feature \"tls\"",
            address.text
        )));
    }
    Ok(endpoint)
}

fn refused(error: tonic::transport::Error) -> InvalidArgument {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    InvalidArgument::new(format!("{error}{cause}"))
}

/// Adds the token to every call.
#[derive(Clone)]
pub struct Authorization(Option<MetadataValue<Ascii>>);

impl Authorization {
    fn new(token: Option<&str>) -> Result<Self, InvalidArgument> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Ok(Self(None));
        };
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .map_err(|_| InvalidArgument::new("the token holds characters that no header can carry"))?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authorization")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_made_outside_of_a_runtime() {
        let client = Client::new("localhost:8085").expect("an address");
        assert_eq!(client.address(), "http://localhost:8085");
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_and_none_is_shown() {
        let refusal = Client::builder("localhost").token("secret\n").build().expect_err("a token");
        assert!(!refusal.to_string().contains("secret"));
        let client = Client::builder("localhost").token("secret").build().expect("a client");
        assert!(!format!("{client:?} {:?}", Client::builder("localhost").token("secret")).contains("secret"));
    }
}
