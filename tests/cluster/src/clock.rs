//! The one place of this crate that looks at a clock: it waits for real programs to start.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The present moment.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate starts real programs and waits for them in real time"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Asks `probe` until it answers with a value or `limit` has passed, and returns that value.
///
/// # Errors
/// What the probe itself reports: an error means that waiting longer cannot help.
pub fn wait_for<T>(
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let end = now() + limit;
    let mut pause = Duration::from_millis(20);
    loop {
        if let Some(value) = probe()? {
            return Ok(Some(value));
        }
        if now() >= end {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_first_answer() {
        let mut asked = 0;
        let answer = wait_for(Duration::from_secs(5), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(answer.unwrap(), Some(3));
    }

    #[test]
    fn waiting_gives_up_at_the_limit() {
        let answer = wait_for(Duration::ZERO, || Ok(None::<()>));
        assert_eq!(answer.unwrap(), None);
    }

    #[test]
    fn a_failing_probe_ends_the_wait() {
        let answer = wait_for(Duration::from_secs(5), || -> Result<Option<()>> {
            anyhow::bail!("it died")
        });
        assert!(answer.is_err());
    }
}
