//! The operator and its definitions against a real API server: storage, validation, watches, permissions and
//! leases are real; nodes and Flink are simulated.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests are sentences, and their helpers fail with them"
)]

mod definitions;
mod enforced;
mod ingress;
mod leader;
mod listeners;
mod namespaces;
mod process;
mod proxy;
mod scale;
mod selector;
mod settings;
mod snapshots;

use std::sync::LazyLock;

use flink_e2e::Site;

/// One server for all tests of this file: each has its own namespace.
static SITE: LazyLock<Site> = LazyLock::new(Site::start);
