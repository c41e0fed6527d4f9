//! The scaler from outside: vectors, sequences, vetoes, properties, simulation.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

mod support;

mod backtest;
mod beside;
mod doubt;
mod forecast;
mod guards;
mod memory;
mod nexmark;
mod overload;
mod properties;
mod quota;
mod rest;
mod roll_back;
mod schedules;
mod sequences;
mod simulation;
mod vectors;
mod vectors_evaluation;
mod vectors_memory;
mod vectors_windows;
mod weaknesses;
mod whatif;
