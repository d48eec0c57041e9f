//! Randomness: names that nobody else has, and a fraction to spread delays with.

use uuid::Uuid;

/// A name that nobody else has.
pub(crate) fn unique_id() -> String {
    Uuid::new_v4().to_string()
}

/// Uniform in [0, 1).
pub(crate) fn fraction() -> f64 {
    // The last 62 bits of such a UUID are random; a double holds 53 of them.
    const BITS: u32 = 53;
    let random = Uuid::new_v4().as_u64_pair().1 & ((1 << BITS) - 1);
    random as f64 / (1_u64 << BITS) as f64
}
