//! An operator with extensions: what a program of one's own begins with, and this program too.
//!
//! The rule: extensions are all that differs between operators; how one runs is `run`'s business.

use crate::domain::{Mutator, Validator};
use crate::listen::{Attached, Listener};
use crate::run::{self, Extensions, RunArgs};

/// An operator, ready to run.
///
/// ```no_run
/// use clap::Parser;
/// use flink_operator::Operator;
/// use flink_operator::cli::Cli;
///
/// // With every command and option of flink-operator itself.
/// Cli::parse().execute(Operator::builder().build());
/// ```
pub struct Operator {
    extensions: Extensions,
}

impl Operator {
    /// Begin with an operator without extensions.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Run it until a signal ends it.
    ///
    /// # Errors
    /// When it cannot start: a wrong setting, no cluster, a port that is taken.
    pub fn run(self, args: &RunArgs) -> anyhow::Result<()> {
        run::run(args, self.extensions)
    }
}

/// An operator in the making.
#[derive(Default)]
pub struct Builder {
    extensions: Extensions,
}

impl Builder {
    /// Tell this listener of what is written.
    #[must_use]
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.extensions.listeners.push(Attached::new(listener));
        self
    }

    /// Ask this validator too whether a spec may be deployed.
    #[must_use]
    pub fn validator(mut self, validator: impl Validator) -> Self {
        self.extensions.rules.validate_with(validator);
        self
    }

    /// Let this mutator change specs, after those added before it.
    #[must_use]
    pub fn mutator(mut self, mutator: impl Mutator) -> Self {
        self.extensions.rules.mutate_with(mutator);
        self
    }

    /// The operator.
    pub fn build(self) -> Operator {
        Operator {
            extensions: self.extensions,
        }
    }
}
