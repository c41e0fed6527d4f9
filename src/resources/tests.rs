mod build;
mod java;
