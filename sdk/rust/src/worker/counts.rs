//! Counts on their way to the server.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::core::Core;
use super::lock;
use crate::v1::{AddCountsRequest, CountDelta};
use crate::{Error, backoff, random};

/// Tasks in one call at most; the contract takes more.
const TASKS_MAX: usize = 2_000;

/// Sums up by task what is counted while a call is in flight.
pub(super) struct Counts {
    state: Mutex<State>,
    added: Notify,
    settled: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    sums: HashMap<String, (u64, u64)>,
    in_flight: HashSet<String>,
}

impl Default for Counts {
    fn default() -> Self {
        Self { state: Mutex::default(), added: Notify::new(), settled: watch::Sender::new(()) }
    }
}

impl Counts {
    pub(super) fn add(&self, task_id: &str, success: u64, failure: u64) {
        let mut state = lock(&self.state);
        let sum = state.sums.entry(task_id.to_owned()).or_default();
        *sum = (sum.0.saturating_add(success), sum.1.saturating_add(failure));
        self.added.notify_one();
    }

    /// Resolves when everything that was counted of a task is in, or was refused.
    pub(super) async fn flushed(&self, task_id: &str) {
        let mut settled = self.settled.subscribe();
        // The sender lives as long as this does.
        while self.holds(task_id) && settled.changed().await.is_ok() {}
    }

    fn holds(&self, task_id: &str) -> bool {
        let state = lock(&self.state);
        state.sums.contains_key(task_id) || state.in_flight.contains(task_id)
    }

    /// Takes what waits into a call. A sum beyond what one item holds leaves the rest for the next.
    fn take(&self) -> Vec<CountDelta> {
        let mut state = lock(&self.state);
        let task_ids: Vec<String> = state.sums.keys().take(TASKS_MAX).cloned().collect();
        state.in_flight = task_ids.iter().cloned().collect();
        let mut counts = Vec::with_capacity(task_ids.len());
        for task_id in task_ids {
            let Some((success, failure)) = state.sums.remove(&task_id) else {
                continue;
            };
            let ((success, more_success), (failure, more_failure)) = (split(success), split(failure));
            if (more_success, more_failure) != (0, 0) {
                state.sums.insert(task_id.clone(), (more_success, more_failure));
            }
            counts.push(CountDelta { task_id, success, failure });
        }
        counts
    }

    fn settle(&self) {
        lock(&self.state).in_flight.clear();
        self.settled.send_replace(());
    }
}

/// What one item holds of a sum, and the rest.
fn split(sum: u64) -> (i64, u64) {
    match i64::try_from(sum) {
        Ok(sum) => (sum, 0),
        Err(_) => (i64::MAX, sum - i64::MAX.unsigned_abs()),
    }
}

/// Sends counts as long as there may be some. While the server is away it is tried again.
pub(super) async fn send_all(core: Arc<Core>) {
    loop {
        core.counts.added.notified().await;
        loop {
            let counts = core.counts.take();
            if counts.is_empty() {
                break;
            }
            send(&core, counts).await;
            core.counts.settle();
        }
    }
}

async fn send(core: &Core, counts: Vec<CountDelta>) {
    // Sent again under the same id they are not counted twice.
    let request = AddCountsRequest { request_id: random::unique_id(), counts };
    let mut failures = 0;
    loop {
        let error = match core.client().tasks().add_counts(request.clone()).await {
            Ok(response) => {
                for rejection in response.rejections {
                    let place = usize::try_from(rejection.index).ok();
                    let task_id = place.and_then(|place| request.counts.get(place)).map_or("?", |count| &count.task_id);
                    let item = rejection.error.unwrap_or_default();
                    core.tell(&Error::from_item(&format!("counts of task {task_id} refused"), &item));
                }
                return;
            }
            Err(error) => error,
        };
        core.tell(&error);
        failures += 1;
        let Some(delay) = backoff::before_resuming(&error, failures) else {
            return;
        };
        sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_of_a_task_is_summed_up() {
        let counts = Counts::default();
        counts.add("a", 1, 2);
        counts.add("a", 3, 0);
        counts.add("b", 0, 1);
        let mut taken = counts.take();
        taken.sort_by(|one, other| one.task_id.cmp(&other.task_id));
        let delta = |task_id: &str, success, failure| CountDelta { task_id: task_id.into(), success, failure };
        assert_eq!(taken, [delta("a", 4, 2), delta("b", 0, 1)]);
        assert!(counts.holds("a"), "it is on its way");
        counts.settle();
        assert!(!counts.holds("a"));
    }

    #[test]
    fn a_sum_beyond_what_an_item_holds_goes_in_parts() {
        let counts = Counts::default();
        counts.add("a", u64::MAX - 2, 1);
        let parts: Vec<(i64, i64)> = std::iter::repeat_with(|| counts.take())
            .take_while(|part| !part.is_empty())
            .map(|part| (part[0].success, part[0].failure))
            .collect();
        assert_eq!(parts, [(i64::MAX, 1), (i64::MAX - 1, 0)]);
    }
}
