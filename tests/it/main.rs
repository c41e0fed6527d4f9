//! The one integration binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::print_stderr,
    reason = "helpers of tests fail the test they help, and may say why they did nothing"
)]

mod broken;
mod capabilities;
mod charts;
mod cli;
mod controllers;
mod examples;
mod flink;
mod listeners;
mod monitoring;
mod prometheus;
mod scenarios;
mod snapshots;
mod tidy;
mod world;

/// Random lives spend a third of their time in the system's allocator, and half as much in this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
