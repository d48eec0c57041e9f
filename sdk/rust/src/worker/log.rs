//! Lines of log on their way to the server.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::cancel::CancelReason;
use super::core::Core;
use super::lock;
use crate::v1::{AppendLogsRequest, ErrorReason, LogEntry, LogLevel};
use crate::{Code, Error, backoff, random};

/// How long a line waits for others before it is sent.
const LINGER: Duration = Duration::from_millis(200);
/// Bounds of one call: the contract's number of lines, and bytes well below what servers accept.
const LINES_PER_CALL_MAX: usize = 1_000;
const BYTES_PER_CALL_MAX: usize = 1024 * 1024;
/// Calls in flight at the same time, never two of one attempt: its lines stay in their order.
const CALLS_MAX: usize = 8;
/// What may wait of one attempt and of all: what comes faster than the server takes it is dropped, and counted.
const LINES_WAITING_MAX: usize = 10_000;
const BYTES_WAITING_MAX: usize = 2 * 1024 * 1024;
const BYTES_WAITING_IN_ALL_MAX: usize = 64 * 1024 * 1024;
/// How long the report of an attempt waits for its last lines.
const FINISH_MAX: Duration = Duration::from_secs(5);
/// The contract's bound of a message.
const MESSAGE_CHARS_MAX: usize = 16_384;
/// What a line takes beside its text.
const LINE_BYTES: usize = 32;

/// What all attempts of a worker share.
pub(super) struct LogBudget {
    calls: Semaphore,
    /// That wait, of all attempts.
    bytes: AtomicUsize,
}

impl Default for LogBudget {
    fn default() -> Self {
        Self { calls: Semaphore::new(CALLS_MAX), bytes: AtomicUsize::new(0) }
    }
}

/// The lines of one attempt, and what sends them.
pub(super) struct AttemptLog {
    buffer: Mutex<Buffer>,
    /// Tells the sender that a call is due.
    due: Notify,
    /// Is canceled when all lines are sent, or no more are taken.
    settled: CancellationToken,
    /// Ends the sender at once.
    abandoned: CancellationToken,
}

#[derive(Default)]
struct Buffer {
    lines: VecDeque<LogEntry>,
    bytes: usize,
    dropped: usize,
    /// Lines that are on their way, and their bytes.
    in_flight: (usize, usize),
    /// The handler has ended: what there is goes at once, and nothing more is taken.
    is_finishing: bool,
    /// The server takes no more of them.
    is_refused: bool,
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    /// Whether there is enough for a call.
    fn is_full(&self) -> bool {
        self.lines.len() >= LINES_PER_CALL_MAX || self.bytes >= BYTES_PER_CALL_MAX
    }
}

/// Takes a line of an attempt whose handler has not ended; the first one begins what sends them.
pub(super) fn add(core: &Arc<Core>, attempt: &Arc<Attempt>, level: LogLevel, message: &str) {
    let Some(log) = attempt.log.get_or_init(|| Some(AttemptLog::begin(core, attempt))) else {
        return;
    };
    let mut buffer = lock(&log.buffer);
    if buffer.is_finishing || buffer.is_refused {
        return;
    }
    let was_empty = buffer.is_empty();
    let log_time = Some(SystemTime::now().into());
    for message in pieces(message) {
        let bytes = message.len() + LINE_BYTES;
        let has_room = buffer.dropped == 0
            && buffer.lines.len() < LINES_WAITING_MAX
            && buffer.bytes + bytes <= BYTES_WAITING_MAX
            && core.log_budget.bytes.load(Ordering::Relaxed) + bytes <= BYTES_WAITING_IN_ALL_MAX;
        if has_room {
            buffer.lines.push_back(LogEntry { log_time, level: level.into(), message });
            buffer.bytes += bytes;
            core.log_budget.bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            buffer.dropped += 1;
        }
    }
    if was_empty || buffer.is_full() {
        log.due.notify_one();
    }
}

impl AttemptLog {
    fn begin(core: &Arc<Core>, attempt: &Arc<Attempt>) -> Arc<Self> {
        let log = Arc::new(Self {
            buffer: Mutex::default(),
            due: Notify::new(),
            settled: CancellationToken::new(),
            abandoned: core.phases.over.child_token(),
        });
        let sending = send_all(core.clone(), attempt.clone(), log.clone());
        core.runtime.spawn(log.abandoned.clone().run_until_cancelled_owned(sending));
        log
    }

    /// Resolves when the lines of an attempt that has ended are sent, or given up after five seconds.
    pub(super) async fn finish(&self, core: &Core, attempt: &Attempt) {
        lock(&self.buffer).is_finishing = true;
        self.due.notify_one();
        if timeout(FINISH_MAX, self.settled.cancelled()).await.is_err() {
            self.abandoned.cancel();
            self.give_up(core, &attempt.lease.task_id);
        }
    }

    fn give_up(&self, core: &Core, task_id: &str) {
        let lost = {
            let mut buffer = lock(&self.buffer);
            let lost = buffer.lines.len() + buffer.dropped + buffer.in_flight.0;
            clear(core, &mut buffer);
            lost
        };
        self.sent(core);
        let message = format!("{lost} lines of log of task {task_id} may be lost: they could not be sent in time");
        core.tell(&Error::plain(Code::DataLoss, message));
    }

    /// Waits until a call is due; false: there will be none any more.
    async fn wait(&self) -> bool {
        loop {
            {
                let buffer = lock(&self.buffer);
                if !buffer.is_empty() {
                    break;
                }
                if buffer.is_finishing {
                    return false;
                }
            }
            self.due.notified().await;
        }
        // Others may come.
        let full = async {
            while !self.is_due_at_once() {
                self.due.notified().await;
            }
        };
        // Whichever it is.
        let _ = timeout(LINGER, full).await;
        true
    }

    fn is_due_at_once(&self) -> bool {
        let buffer = lock(&self.buffer);
        buffer.is_finishing || buffer.is_full()
    }

    /// Takes the next lines; behind the last of them, how many were dropped.
    fn take(&self) -> Vec<LogEntry> {
        let mut buffer = lock(&self.buffer);
        let mut bytes = 0;
        let mut entries = Vec::new();
        while entries.len() < LINES_PER_CALL_MAX {
            let Some(next) = buffer.lines.front().map(|line| line.message.len() + LINE_BYTES) else {
                break;
            };
            if !entries.is_empty() && bytes + next > BYTES_PER_CALL_MAX {
                break;
            }
            bytes += next;
            entries.extend(buffer.lines.pop_front());
        }
        buffer.bytes -= bytes;
        if buffer.lines.is_empty() && buffer.dropped > 0 && entries.len() < LINES_PER_CALL_MAX {
            let dropped = std::mem::take(&mut buffer.dropped);
            entries.push(LogEntry {
                log_time: Some(SystemTime::now().into()),
                level: LogLevel::Warn.into(),
                message: format!("{dropped} lines were dropped: the worker logged faster than the server took them"),
            });
        }
        buffer.in_flight = (entries.len(), bytes);
        entries
    }

    /// Forgets the lines that were on their way.
    fn sent(&self, core: &Core) {
        let (_, bytes) = std::mem::take(&mut lock(&self.buffer).in_flight);
        core.log_budget.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn refuse(&self, core: &Core) {
        let mut buffer = lock(&self.buffer);
        buffer.is_refused = true;
        clear(core, &mut buffer);
    }
}

fn clear(core: &Core, buffer: &mut Buffer) {
    core.log_budget.bytes.fetch_sub(buffer.bytes, Ordering::Relaxed);
    buffer.lines.clear();
    (buffer.bytes, buffer.dropped) = (0, 0);
}

/// Sends the lines of an attempt until it has ended.
async fn send_all(core: Arc<Core>, attempt: Arc<Attempt>, log: Arc<AttemptLog>) {
    while log.wait().await {
        let entries = log.take();
        send(&core, &attempt, &log, entries).await;
        log.sent(&core);
    }
    log.settled.cancel();
}

async fn send(core: &Core, attempt: &Attempt, log: &AttemptLog, entries: Vec<LogEntry>) {
    let request = AppendLogsRequest {
        task_id: attempt.lease.task_id.clone(),
        attempt: attempt.lease.attempt,
        entries,
        // Sent again under the same id they are not written twice.
        request_id: random::unique_id(),
    };
    let mut failures = 0;
    loop {
        let answer = {
            let _permit = core.log_budget.calls.acquire().await;
            core.client().workers().append_logs(request.clone()).await
        };
        let error = match answer {
            Ok(response) => {
                if response.cancel_requested {
                    attempt.cancel(CancelReason::CancelRequested, "the server asked to stop the attempt");
                }
                return;
            }
            Err(error) => error,
        };
        core.tell(&error);
        failures += 1;
        match backoff::before_resuming(&error, failures) {
            Some(delay) => sleep(delay).await,
            None => return refused(core, attempt, log, error.reason()),
        }
    }
}

/// Some answers no later line changes.
fn refused(core: &Core, attempt: &Attempt, log: &AttemptLog, reason: ErrorReason) {
    use ErrorReason as Reason;
    if reason == Reason::StaleAttempt {
        attempt.cancel(CancelReason::LeaseLost, "the task has another attempt");
    }
    let is_final = matches!(
        reason,
        Reason::StaleAttempt
            | Reason::TaskNotFound
            | Reason::Unimplemented
            | Reason::Unauthenticated
            | Reason::PermissionDenied
    );
    if is_final {
        log.refuse(core);
    }
}

/// The text of a message as the contract takes it, in pieces of its bound.
fn pieces(message: &str) -> Vec<String> {
    let text = message.replace('\0', "\u{2400}");
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while let Some((end, _)) = rest.char_indices().nth(MESSAGE_CHARS_MAX) {
        let (piece, more) = rest.split_at(end);
        pieces.push(piece.to_owned());
        rest = more;
    }
    pieces.push(rest.to_owned());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters_and_holds_no_nul() {
        assert_eq!(pieces("a\0b"), ["a\u{2400}b"]);
        assert_eq!(pieces(""), [""]);
        let lengths: Vec<usize> = pieces(&"ä".repeat(40_000)).iter().map(|piece| piece.chars().count()).collect();
        assert_eq!(lengths, [16_384, 16_384, 7_232]);
    }
}
