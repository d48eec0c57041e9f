//! The attempts of a worker, and its slots.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::attempt::Attempt;
use super::lock;
use crate::v1::LeaseRef;

/// The contract's bound of one claim. Free slots beyond it are claimed for once it has been answered.
const TASKS_PER_CALL_MAX: usize = 1_000;

/// Knows the attempts under way and who may fill the free slots. A slot is free when its handler has ended: what its
/// report makes ready can be handed out in the commit of the report. As many reports may be on their way as there are
/// slots.
pub(super) struct Pool {
    slots: usize,
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// Until their closing report is answered.
    running: HashMap<LeaseRef, Arc<Attempt>>,
    /// Those whose handler has not ended.
    executing: usize,
    /// Slots that a claim under way may fill.
    asked: usize,
    /// Slots that the stream may fill.
    credit: usize,
    /// No claims are to be made: a stream brings tasks.
    claims_are_paused: bool,
}

impl State {
    fn free(&self, slots: usize) -> usize {
        let taken = self.executing.max(self.running.len().saturating_sub(slots));
        slots.saturating_sub(taken + self.asked + self.credit)
    }
}

impl Pool {
    pub(super) fn new(slots: usize) -> Self {
        Self { slots, state: Mutex::default(), changes: watch::Sender::new(()) }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// Tells of changes: of attempts, slots, and whether claims are to be made.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Takes an attempt on; false: it is there already.
    pub(super) fn begin(&self, attempt: &Arc<Attempt>) -> bool {
        let mut state = lock(&self.state);
        let Entry::Vacant(place) = state.running.entry(attempt.lease.clone()) else {
            return false;
        };
        place.insert(attempt.clone());
        state.executing += 1;
        true
    }

    /// Frees the slot of an attempt whose handler has ended.
    pub(super) fn handler_ended(&self) {
        self.change(|state| state.executing -= 1);
    }

    /// Forgets an attempt whose closing report is dealt with.
    pub(super) fn ended(&self, attempt: &Attempt) {
        self.change(|state| state.running.remove(&attempt.lease));
    }

    pub(super) fn find(&self, lease: &LeaseRef) -> Option<Arc<Attempt>> {
        lock(&self.state).running.get(lease).cloned()
    }

    pub(super) fn attempts(&self) -> Vec<Arc<Attempt>> {
        lock(&self.state).running.values().cloned().collect()
    }

    pub(super) fn running(&self) -> usize {
        lock(&self.state).running.len()
    }

    /// Resolves when no attempt is under way.
    pub(super) async fn idle(&self) {
        let mut changes = self.changes();
        // The sender lives as long as this does.
        while self.running() > 0 && changes.changed().await.is_ok() {}
    }

    pub(super) fn pause_claims(&self) {
        lock(&self.state).claims_are_paused = true;
    }

    pub(super) fn resume_claims(&self) {
        self.change(|state| state.claims_are_paused = false);
    }

    /// Takes all free slots for a claim, as far as one call goes; `None`: there is none, or claims are not to be made.
    pub(super) fn ask(&self) -> Option<Asked<'_>> {
        let mut state = lock(&self.state);
        let tasks = state.free(self.slots).min(TASKS_PER_CALL_MAX);
        if tasks == 0 || state.claims_are_paused {
            return None;
        }
        state.asked += tasks;
        Some(Asked { pool: self, tasks })
    }

    /// Takes all free slots for the stream, which is given credit for so many more tasks.
    pub(super) fn give_credit(&self) -> usize {
        let mut state = lock(&self.state);
        let tasks = state.free(self.slots);
        state.credit += tasks;
        tasks
    }

    /// Takes back the credit that so many assignments have used; they are taken on first, so that no slot is given twice.
    pub(super) fn use_credit(&self, assignments: usize) {
        self.change(|state| state.credit = state.credit.saturating_sub(assignments));
    }

    /// Takes back all credit: the stream that had it has ended.
    pub(super) fn void_credit(&self) {
        self.change(|state| state.credit = 0);
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) {
        change(&mut lock(&self.state));
        self.changes.send_replace(());
    }
}

/// Slots that a claim may fill, until it is dropped.
pub(super) struct Asked<'a> {
    pool: &'a Pool,
    pub(super) tasks: usize,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.pool.change(|state| state.asked -= self.tasks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Assignment, Task};
    use tokio::time::Instant;

    fn attempt(task_id: &str) -> Arc<Attempt> {
        let task = Some(Task { task_id: task_id.into(), ..Task::default() });
        Arc::new(Attempt::new(Assignment { task, attempt: 1, ..Assignment::default() }, Instant::now()))
    }

    #[test]
    fn a_claim_and_the_stream_never_fill_a_slot_twice() {
        let pool = Pool::new(3);
        let asked = pool.ask().expect("free slots");
        assert_eq!(asked.tasks, 3);
        assert_eq!(pool.give_credit(), 0);
        pool.begin(&attempt("a"));
        drop(asked);
        assert_eq!(pool.give_credit(), 2);
        assert_eq!(pool.give_credit(), 0);
        assert!(pool.ask().is_none());
    }

    #[test]
    fn a_claim_is_never_for_more_than_one_call_may_bring() {
        let pool = Pool::new(1_500);
        let first = pool.ask().expect("free slots");
        assert_eq!(first.tasks, 1_000);
        assert_eq!(pool.ask().map(|asked| asked.tasks), Some(500));
        drop(first);
        assert_eq!(pool.give_credit(), 1_500);
    }

    #[test]
    fn credit_is_used_by_assignments_and_void_with_the_stream() {
        let pool = Pool::new(2);
        assert_eq!(pool.give_credit(), 2);
        pool.begin(&attempt("a"));
        pool.use_credit(1);
        assert_eq!(pool.give_credit(), 0);
        pool.void_credit();
        assert_eq!(pool.give_credit(), 1);
    }

    #[test]
    fn a_slot_is_free_when_its_handler_has_ended_and_few_reports_are_on_their_way() {
        let pool = Pool::new(1);
        let (a, b) = (attempt("a"), attempt("b"));
        pool.begin(&a);
        assert!(pool.ask().is_none());
        pool.handler_ended();
        assert_eq!(pool.ask().map(|asked| asked.tasks), Some(1));
        pool.begin(&b);
        pool.handler_ended();
        assert!(pool.ask().is_none(), "two reports are on their way");
        pool.ended(&a);
        assert_eq!(pool.ask().map(|asked| asked.tasks), Some(1));
    }

    #[test]
    fn claims_wait_while_a_stream_brings_tasks() {
        let pool = Pool::new(1);
        pool.pause_claims();
        assert!(pool.ask().is_none());
        pool.resume_claims();
        assert!(pool.ask().is_some());
    }

    #[tokio::test]
    async fn idle_waits_for_the_last_attempt() {
        let pool = Pool::new(1);
        let a = attempt("a");
        pool.begin(&a);
        assert!(!pool.begin(&a), "it is there already");
        pool.handler_ended();
        let (_, ()) = tokio::join!(pool.idle(), async { pool.ended(&a) });
        assert_eq!(pool.running(), 0);
    }
}
