//! Which of several replicas may write: a Lease, and a claim that is asked for at every write.
//!
//! The rule: a claim ends by itself before another replica can hold the lease, so two never write.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};

use crate::clock::Clock;
use crate::config::Election;
use crate::deadline::deadline;

/// Another process leads, or none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process is not the leader")]
pub struct NotLeader;

/// The right to write, valid until a moment that its holder keeps pushing out.
#[derive(Clone)]
pub struct Claim {
    /// Milliseconds since the epoch; `i64::MAX` without leader election.
    until: Arc<AtomicI64>,
    clock: Clock,
}

impl Claim {
    /// The claim of a process that runs alone.
    pub fn alone(clock: Clock) -> Self {
        Self {
            until: Arc::new(AtomicI64::new(i64::MAX)),
            clock,
        }
    }

    /// The claim of one replica of several, not held yet.
    pub fn contested(clock: Clock) -> Self {
        Self {
            until: Arc::new(AtomicI64::new(0)),
            clock,
        }
    }

    /// Fails unless this process leads right now.
    pub fn check(&self) -> Result<(), NotLeader> {
        if self.held() { Ok(()) } else { Err(NotLeader) }
    }

    /// Whether this process leads right now.
    pub fn held(&self) -> bool {
        self.clock.now().as_millisecond() < self.until.load(Ordering::Acquire)
    }

    fn extend(&self, until: Timestamp) {
        self.until.store(until.as_millisecond(), Ordering::Release);
    }
}

/// What a replica does with the lease it sees.
#[derive(Debug, PartialEq, Eq)]
pub enum Move {
    /// It is ours: write it with a new time.
    Renew,
    /// It is free or expired: write our name into it.
    Acquire,
    /// Another holds it.
    Wait,
}

/// The algorithm: one look at the lease. `seen` is when this version of it was first seen here, so
/// that the clocks of other machines do not matter.
pub fn step(
    lease: Option<&LeaseSpec>,
    me: &str,
    seen: Timestamp,
    now: Timestamp,
    election: &Election,
) -> Move {
    let Some(lease) = lease else {
        return Move::Acquire;
    };
    match lease.holder_identity.as_deref() {
        Some(holder) if holder == me => Move::Renew,
        Some(holder) if !holder.is_empty() => {
            let silent = Duration::try_from(now.duration_since(seen)).unwrap_or_default();
            if silent > election.lease_duration {
                Move::Acquire
            } else {
                Move::Wait
            }
        }
        _ => Move::Acquire,
    }
}

/// Take part in the election for ever; `claim` follows its outcome.
pub async fn campaign(
    client: Client,
    namespace: String,
    me: String,
    election: Election,
    claim: Claim,
) {
    let api: Api<Lease> = Api::namespaced(client, &namespace);
    let name = election.lease_name.as_str();
    let mut version_seen = (None, claim.clock.now());
    loop {
        let now = claim.clock.now();
        match look(&api, name, &me, &election, &mut version_seen, now).await {
            Ok(true) => {
                if !claim.held() {
                    tracing::info!(lease = name, "this process leads");
                }
                if let Ok(until) = now.checked_add(election.renew_deadline) {
                    claim.extend(until);
                }
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(lease = name, %error, "failed to look after the lease"),
        }
        tokio::time::sleep(election.retry_period).await;
    }
}

/// One look and what follows from it. Returns whether the lease is ours.
async fn look(
    api: &Api<Lease>,
    name: &str,
    me: &str,
    election: &Election,
    seen: &mut (Option<String>, Timestamp),
    now: Timestamp,
) -> Result<bool, kube::Error> {
    let present = deadline(api.get_opt(name)).await?;
    let version = present.as_ref().and_then(ResourceExt::resource_version);
    if version != seen.0 {
        *seen = (version.clone(), now);
    }
    let spec = present.as_ref().and_then(|lease| lease.spec.as_ref());
    let next = step(spec, me, seen.1, now, election);
    if next == Move::Wait {
        return Ok(false);
    }
    let acquired = next == Move::Acquire;
    let transitions = spec
        .and_then(|spec| spec.lease_transitions)
        .unwrap_or_default();
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: version,
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(me.to_owned()),
            lease_duration_seconds: i32::try_from(election.lease_duration.as_secs()).ok(),
            acquire_time: if acquired {
                Some(MicroTime(now))
            } else {
                spec.and_then(|spec| spec.acquire_time.clone())
            },
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions + i32::from(acquired)),
            ..LeaseSpec::default()
        }),
    };
    let written = if present.is_some() {
        deadline(api.replace(name, &PostParams::default(), &lease)).await
    } else {
        deadline(api.create(&PostParams::default(), &lease)).await
    };
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn election() -> Election {
        Election {
            lease_name: "lease".to_owned(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn held_by(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_free_lease_is_taken_and_ones_own_is_renewed() {
        assert_eq!(step(None, "a", at(0), at(0), &election()), Move::Acquire);
        assert_eq!(
            step(Some(&held_by("")), "a", at(0), at(0), &election()),
            Move::Acquire
        );
        assert_eq!(
            step(Some(&held_by("a")), "a", at(0), at(99), &election()),
            Move::Renew
        );
    }

    #[test]
    fn anothers_lease_is_respected_until_it_was_silent_too_long() {
        let lease = held_by("b");
        assert_eq!(
            step(Some(&lease), "a", at(0), at(15), &election()),
            Move::Wait
        );
        assert_eq!(
            step(Some(&lease), "a", at(0), at(16), &election()),
            Move::Acquire
        );
    }

    #[test]
    fn a_claim_ends_by_itself_before_another_can_lead() {
        let now = Arc::new(AtomicI64::new(0));
        let clock = {
            let now = Arc::clone(&now);
            Clock::new(move || at(now.load(Ordering::Relaxed)), || 0)
        };
        let claim = Claim::contested(clock);
        assert!(!claim.held());
        claim.extend(at(10));
        now.store(9, Ordering::Relaxed);
        assert!(claim.held());
        now.store(10, Ordering::Relaxed);
        assert!(claim.check().is_err());
    }
}
