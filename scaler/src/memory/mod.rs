//! How much memory a TaskManager of this job needs: proposed together with a rescale, from what was used.
//!
//! The rule: never more than the user's spec gives, and nothing at all where a reading is missing.
//! Tests are in `tests/it/vectors_memory.rs` and `tests/it/memory.rs`.

mod network;
mod spec;
mod tuning;

pub use network::{network_bytes, segments};
pub use spec::TaskManagerSpec;
pub use tuning::{REMOVED, Tuning, Usage, compensated, outgrown, slots_after, tune};
