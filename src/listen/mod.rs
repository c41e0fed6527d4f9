//! Listeners: told of every status and every event, after it was written.
//!
//! The rule: a pass never waits for a listener. Each has a bounded queue and a task of its own; one that is slow,
//! fails or panics harms neither the operator nor the other listeners.

pub mod http;
mod news;
mod queue;
mod running;

pub use news::{Audience, EventWritten, News, StatusWritten};
pub use running::{Attached, DuplicateName, Newsroom, Running};

use std::error::Error as StdError;

use flink_crds::{FlinkDeployment, FlinkStateSnapshot};

/// Why a listener did not do what it is for. It is logged and counted; the listener is not called again for the same.
pub type Failure = Box<dyn StdError + Send + Sync>;

/// How many notices wait for a listener before the oldest are dropped, unless it says otherwise.
pub const CAPACITY: usize = 1000;

/// Is told what the operator wrote. Calls come one after another, in the order of the writes; the next comes when
/// the last has ended. Only the replica that leads writes, so only its listeners hear something.
///
/// After a start each resource is told once as it is found, with nothing in
/// [`before`](StatusWritten::before), so that what was missed can be made up for.
pub trait Listener: Send + Sync + 'static {
    /// Its name in logs and metrics. It must be unique.
    fn name(&self) -> &str;

    /// How many notices may wait for it; what does not fit is dropped, the oldest first, and counted.
    fn capacity(&self) -> usize {
        CAPACITY
    }

    /// The status of a FlinkDeployment was written.
    fn deployment_status(
        &self,
        written: &StatusWritten<FlinkDeployment>,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = written;
        async { Ok(()) }
    }

    /// The status of a FlinkStateSnapshot was written.
    fn snapshot_status(
        &self,
        written: &StatusWritten<FlinkStateSnapshot>,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = written;
        async { Ok(()) }
    }

    /// An event about a resource of any kind was written: a new one, or one more of the same.
    fn event(&self, written: &EventWritten) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = written;
        async { Ok(()) }
    }
}
