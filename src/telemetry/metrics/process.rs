//! What the operator itself uses: processor, memory, open files, as Linux tells it.
//!
//! The rule: what cannot be read is left out of a scrape, it fails nothing.

use std::fs;

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Processor time, in seconds.
    pub cpu: Option<f64>,
    /// Memory in use, in bytes.
    pub memory: Option<f64>,
    /// Open file descriptors.
    pub files: Option<f64>,
}

impl Usage {
    /// Of this process, now.
    pub fn read() -> Self {
        Self {
            cpu: fs::read_to_string("/proc/self/stat")
                .ok()
                .and_then(|text| cpu_seconds(&text)),
            memory: fs::read_to_string("/proc/self/status")
                .ok()
                .and_then(|text| resident(&text)),
            files: fs::read_dir("/proc/self/fd")
                .ok()
                .and_then(|entries| u32::try_from(entries.count()).ok())
                .map(f64::from),
        }
    }
}

/// User and system time of `/proc/PID/stat`, which Linux always gives in hundredths of a second.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The program's name stands in brackets and may hold spaces and brackets itself.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

/// `VmRSS` of `/proc/PID/status`, which is in KiB.
fn resident(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_a_name_with_brackets() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 99 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
    }

    #[test]
    fn memory_is_given_in_bytes() {
        assert_eq!(
            resident("Name:\tx\nVmRSS:\t    2048 kB\n"),
            Some(2_097_152.0)
        );
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
