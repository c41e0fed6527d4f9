//! No call to the API server lasts longer than this; retrying is the queue's business.

use std::time::Duration;

/// Longest time one request may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A call to the API server that ends in time.
///
/// # Errors
/// What the call gives, or that it gave nothing in time.
pub async fn deadline<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    tokio::time::timeout(DEADLINE, call)
        .await
        .unwrap_or_else(|_| {
            Err(kube::Error::Service(
                format!(
                    "no answer from the API server within {} s",
                    DEADLINE.as_secs()
                )
                .into(),
            ))
        })
}
