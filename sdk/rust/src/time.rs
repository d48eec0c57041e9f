//! Points in time.

use std::time::Duration;

use tokio::time::Instant;

/// Stands for "never" where a point in time would be beyond what the clock can tell.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// That long from now.
pub(crate) fn after(duration: Duration) -> Instant {
    Instant::now() + duration.min(FOREVER)
}
