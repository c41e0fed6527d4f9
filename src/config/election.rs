//! Options of leader election, typed.
//!
//! The rule: times with which two replicas could lead at once, or none could lead for long, are refused. Tests are below.

use std::time::Duration;

use super::{ConfigError, ConfigOption, FlinkConfig, options};

/// How several replicas agree on who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// The Lease.
    pub lease_name: String,
    /// Others may take over after the holder was silent for this long.
    pub lease_duration: Duration,
    /// The holder stops writing if it could not renew for this long.
    pub renew_deadline: Duration,
    /// Pause between looks at the lease.
    pub retry_period: Duration,
}

impl Election {
    /// Read them; nothing if there is no election.
    pub fn read(config: &FlinkConfig) -> Result<Option<Self>, ConfigError> {
        if !config.get(&options::LEADER_ELECTION_ENABLED)? {
            return Ok(None);
        }
        let name = config.get(&options::LEADER_ELECTION_LEASE_NAME)?;
        let election = Self {
            lease_name: name.ok_or_else(|| ConfigError::Missing {
                key: options::LEADER_ELECTION_LEASE_NAME.key.to_owned(),
                expected: "the name of a Lease, since leader election is on".to_owned(),
            })?,
            lease_duration: config.get(&options::LEADER_ELECTION_LEASE_DURATION)?,
            renew_deadline: config.get(&options::LEADER_ELECTION_RENEW_DEADLINE)?,
            retry_period: config.get(&options::LEADER_ELECTION_RETRY_PERIOD)?,
        };
        let wrong = |option: &ConfigOption<Duration>, expected: &str| {
            let value = config.raw(option.key).or(option.default);
            Err(ConfigError::invalid(
                option.key,
                value.unwrap_or_default(),
                expected,
            ))
        };
        if election.lease_duration < Duration::from_secs(1) {
            return wrong(
                &options::LEADER_ELECTION_LEASE_DURATION,
                "at least 1 s, the least that a Lease can say",
            );
        }
        if election.renew_deadline >= election.lease_duration {
            return wrong(
                &options::LEADER_ELECTION_RENEW_DEADLINE,
                "less than kubernetes.operator.leader-election.lease-duration, as it has to be lest two replicas write \
                 at once",
            );
        }
        if election.retry_period.is_zero() || election.retry_period >= election.renew_deadline {
            return wrong(
                &options::LEADER_ELECTION_RETRY_PERIOD,
                "above 0 and less than kubernetes.operator.leader-election.renew-deadline, as it has to be for the \
                 leader to stay so",
            );
        }
        Ok(Some(election))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Election>, String> {
        let all = [("enabled", "true"), ("lease-name", "flink-operator")];
        let config = all.iter().chain(pairs).map(|(key, value)| {
            let key = format!("kubernetes.operator.leader-election.{key}");
            (key, (*value).to_owned())
        });
        Election::read(&config.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn there_is_none_unless_it_is_asked_for() {
        assert_eq!(Election::read(&FlinkConfig::new()), Ok(None));
        let election = read(&[]).unwrap().unwrap();
        assert_eq!(election.lease_name, "flink-operator");
        assert_eq!(election.lease_duration, Duration::from_secs(15));
    }

    #[test]
    fn times_with_which_two_could_lead_or_none_are_refused() {
        for (pair, expected) in [
            (("lease-name", ""), "lease-name is not set"),
            (
                ("lease-duration", "15"),
                "lease-duration: '15' is not at least 1 s",
            ),
            (
                ("lease-duration", "10 s"),
                "renew-deadline: '10 s' is not less than",
            ),
            (
                ("renew-deadline", "20 s"),
                "renew-deadline: '20 s' is not less than",
            ),
            (("retry-period", "0"), "retry-period: '0' is not above 0"),
            (
                ("retry-period", "10 s"),
                "retry-period: '10 s' is not above 0",
            ),
        ] {
            let error = read(&[pair]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
