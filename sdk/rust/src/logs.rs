//! Reading the log of an attempt.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::json::duration;
use crate::pull::{Pull, Source};
use crate::v1::{ListLogsRequest, LogEntry};
use crate::{Error, backoff};

const PAGE_SIZE: i32 = 1_000;
/// How long one call waits for a line, while following.
const WAIT: Duration = Duration::from_secs(30);

impl Client {
    /// Reads the log of a task's attempt, in order: of the current or last one, to what there is now. Where lines were
    /// dropped at the server's bound, the last line says how many.
    ///
    /// It goes on after a broken connection: nothing is lost and nothing is repeated. It ends with an error that trying
    /// again cannot mend, such as `TASK_NOT_FOUND`.
    ///
    /// ```no_run
    /// # async fn run(client: millpond::Client, task_id: &str) -> Result<(), millpond::Error> {
    /// let mut lines = client.logs(task_id).follow(true);
    /// while let Some(line) = lines.next().await {
    ///     println!("{}", line?.message);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn logs(&self, task_id: impl Into<String>) -> Logs {
        let request = ListLogsRequest { task_id: task_id.into(), page_size: PAGE_SIZE, ..Default::default() };
        Logs(Pull::new(Reader {
            client: self.clone(),
            request,
            follow: false,
            lines: VecDeque::new(),
            failures: 0,
            has_ended: false,
        }))
    }
}

/// The reading of a log, by [`Client::logs`]: a stream of lines, which begins when it is first asked for one.
#[must_use = "a log is not read until it is asked for a line"]
pub struct Logs(Pull<Reader>);

impl Logs {
    /// Which attempt, from 1. Default: the current or last one. Before the first line is asked for.
    pub fn attempt(self, attempt: i32) -> Self {
        Self(self.0.with(|reader| reader.request.attempt = attempt))
    }

    /// Whether to wait for more until the attempt is over, however long a server is away meanwhile. Default false.
    /// Before the first line is asked for.
    pub fn follow(self, follow: bool) -> Self {
        Self(self.0.with(|reader| reader.follow = follow))
    }

    /// The next line; `None` at the end, and after an error. No line is lost when its future is dropped.
    pub async fn next(&mut self) -> Option<Result<LogEntry, Error>> {
        StreamExt::next(self).await
    }
}

impl Stream for Logs {
    type Item = Result<LogEntry, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context)
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Logs")
    }
}

struct Reader {
    client: Client,
    /// Of the next page.
    request: ListLogsRequest,
    follow: bool,
    /// Of the last page, not handed out yet.
    lines: VecDeque<LogEntry>,
    /// In a row.
    failures: u32,
    has_ended: bool,
}

impl Source for Reader {
    type Item = LogEntry;

    async fn next(&mut self) -> Option<Result<LogEntry, Error>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(Ok(line));
            }
            if self.has_ended {
                return None;
            }
            if let Err(error) = self.read_page().await {
                self.failures += 1;
                // Without following, the repeats of the call are enough.
                let delay = self.follow.then(|| backoff::before_resuming(&error, self.failures)).flatten();
                let Some(delay) = delay else {
                    self.has_ended = true;
                    return Some(Err(error));
                };
                sleep(delay).await;
            }
        }
    }
}

impl Reader {
    async fn read_page(&mut self) -> Result<(), Error> {
        let sent_at = Instant::now();
        let page = self.client.workers().list_logs(self.request.clone()).await?;
        self.failures = 0;
        self.has_ended = page.entries.is_empty() && (!self.follow || page.attempt_ended);
        let waits = self.follow && !page.attempt_ended;
        let was_to_wait = self.request.wait_timeout.is_some();
        let is_unwaited = waits && was_to_wait && page.entries.is_empty();
        self.request.wait_timeout = waits.then(|| duration(WAIT));
        self.request.cursor = page.next_cursor;
        self.lines = page.entries.into();
        if is_unwaited {
            sleep(backoff::after_empty_answer(sent_at.elapsed(), WAIT)).await;
        }
        Ok(())
    }
}
