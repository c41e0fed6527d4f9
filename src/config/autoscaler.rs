//! The autoscaler's options, as its crate declares them, in the form of the operator's own.

use std::sync::LazyLock;

use super::{Row, Scope};
use flink_scaler::settings;

/// What every key of the autoscaler starts with.
pub use flink_scaler::settings::PREFIX as AUTOSCALER_PREFIX;

/// All of them. They take effect in a resource, without an upgrade.
pub static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let row = |row: &settings::Row| Row {
        key: row.key,
        aliases: row.aliases,
        default: row.default,
        scope: Scope::Resource,
        doc: row.doc,
        kind: row.kind,
        expected: row.expected,
        accepts: row.accepts,
    };
    settings::TABLE.iter().map(row).collect()
});

/// Keys with a part of the user's choice: pattern, common start, meaning.
pub use flink_scaler::settings::FAMILIES as AUTOSCALER_FAMILIES;
