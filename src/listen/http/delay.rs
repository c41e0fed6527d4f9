//! How long until a delivery is tried again: doubling, with chance in it, up to a limit.

use std::time::Duration;

/// Longest time that a receiver may ask for.
const ASKED_AT_MOST: Duration = Duration::from_mins(5);

/// The delays between the tries of one delivery.
pub struct Delays {
    next: Duration,
    longest: Duration,
}

impl Delays {
    /// Beginning with the first of these, never above the second.
    pub const fn new((first, longest): (Duration, Duration)) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    /// The next: between half and all of what is due, by `chance` (hex digits), and not less than the receiver `asked`
    /// for.
    pub fn next(&mut self, asked: Option<Duration>, chance: &str) -> Duration {
        let due = self.next.min(self.longest);
        self.next = due.saturating_mul(2);
        let digits = chance.get(..4).unwrap_or_default();
        let part = f64::from(u16::from_str_radix(digits, 16).unwrap_or(u16::MAX));
        let delay = due.mul_f64(0.5 + 0.5 * part / f64::from(u16::MAX));
        delay.max(asked.unwrap_or_default().min(ASKED_AT_MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_differ_by_chance() {
        let second = Duration::from_secs(1);
        let mut delays = Delays::new((second, 3 * second));
        assert_eq!(delays.next(None, "ffff00"), second);
        assert_eq!(delays.next(None, "ffff00"), 2 * second);
        assert_eq!(delays.next(None, "ffff00"), 3 * second);
        assert_eq!(delays.next(None, "0000ff"), 3 * second / 2);
    }

    #[test]
    fn a_receiver_may_ask_for_more_but_not_for_ever() {
        let mut delays = Delays::new((Duration::from_secs(1), Duration::from_mins(1)));
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(delays.next(asked(30), "0000"), Duration::from_secs(30));
        assert_eq!(delays.next(asked(90_000), "0000"), ASKED_AT_MOST);
    }
}
