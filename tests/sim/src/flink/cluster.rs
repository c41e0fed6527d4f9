//! One JobManager process with its jobs, slots and operations.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::checkpoints::Restored;
use super::config::ClusterConfig;
use super::job::{Job, Tasks, normal};
use super::journal::{Happening, Journal};
use super::load::seconds;
use super::profile::Profile;
use super::savepoints::{Operation, Thrown};
use super::storage::{HaData, Image, Storage};
use super::{ClusterKey, JobManagerStart, Timings};
use crate::random::hex_of;

/// Operations by job and trigger id.
pub(super) type Operations = BTreeMap<(String, String), Operation>;

/// A JobManager and what it runs.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) instance: String,
    pub(super) config: ClusterConfig,
    pub(super) jobs: BTreeMap<String, Job>,
    pub(super) task_managers: Vec<String>,
    pub(super) operations: Operations,
    /// Uploaded jars by id.
    pub(super) jars: BTreeMap<String, String>,
    pub(super) profile: Profile,
    pub(super) timings: Timings,
    application: bool,
    found: HaData,
    started: Timestamp,
    /// When it will lead, once no other does.
    leads_at: Option<Timestamp>,
    leads: bool,
    /// The end of the application is recorded, but its metadata is not cleaned up yet.
    dirty_until: Option<Timestamp>,
    cursor: Timestamp,
}

/// What lies outside a JobManager.
pub(super) struct Surroundings<'a> {
    pub(super) key: &'a ClusterKey,
    pub(super) storage: &'a mut Storage,
    pub(super) journal: &'a mut Journal,
    /// Records that have arrived for this cluster's jobs so far.
    pub(super) produced: f64,
    pub(super) ids: &'a mut u64,
}

impl Surroundings<'_> {
    pub(super) fn note(&mut self, at: Timestamp, what: Happening) {
        self.journal.note(at, self.key, what);
    }

    /// A new id, 32 hex digits.
    pub(super) fn fresh_id(&mut self) -> String {
        *self.ids += 1;
        hex_of(&format!("{} {}", self.key, self.ids))
    }
}

/// Let one JobManager lead; with high availability never two at once.
pub(super) fn elect(clusters: &mut [Cluster], now: Timestamp) {
    let mut taken = clusters
        .iter()
        .any(|cluster| cluster.leads && cluster.config.high_availability());
    for cluster in clusters {
        if cluster.leads || (taken && cluster.config.high_availability()) {
            continue;
        }
        let at = *cluster
            .leads_at
            .get_or_insert(now.max(cluster.started) + cluster.timings.election);
        if cluster.config.high_availability() {
            taken = true;
        }
        cluster.leads = at <= now;
    }
}

impl Cluster {
    pub(super) fn new(
        _key: &ClusterKey,
        start: JobManagerStart,
        profile: Profile,
        timings: Timings,
        now: Timestamp,
    ) -> Self {
        Self {
            instance: start.instance,
            config: ClusterConfig::new(start.config),
            jobs: BTreeMap::new(),
            task_managers: Vec::new(),
            operations: Operations::new(),
            jars: BTreeMap::new(),
            profile,
            timings,
            application: start.application,
            found: start.ha,
            started: now,
            leads_at: None,
            leads: false,
            dirty_until: None,
            cursor: now,
        }
    }

    /// It answers for the cluster.
    pub(super) fn leads(&self) -> bool {
        self.leads
    }

    /// What a JobManager that waits to lead would find now.
    pub(super) fn refresh(&mut self, ha: &HaData) {
        if !self.leads {
            self.found = ha.clone();
        }
    }

    pub(super) fn slots(&self) -> u32 {
        u32::try_from(self.task_managers.len()).unwrap_or(u32::MAX)
            * self.config.slots_per_task_manager()
    }

    /// Slots that no running job uses.
    pub(super) fn free_slots(&self) -> u32 {
        let used: u32 = self
            .jobs
            .values()
            .filter(|job| uses_slots(job))
            .map(Job::slots_needed)
            .sum();
        self.slots().saturating_sub(used)
    }

    pub(super) fn wanted_task_managers(&self) -> usize {
        let live = self
            .jobs
            .values()
            .filter(|job| !job.state.is_globally_terminal());
        let slots: u32 = live.map(Job::slots_wanted).sum();
        slots.div_ceil(self.config.slots_per_task_manager()) as usize
    }

    pub(super) fn set_task_managers(&mut self, ids: &[String], now: Timestamp) {
        let small = self
            .config
            .task_manager_memory()
            .is_some_and(|bytes| bytes < self.profile.least_memory);
        self.task_managers = if small { Vec::new() } else { ids.to_vec() };
        self.offer(now);
    }

    /// Give slots to the jobs, the oldest first.
    pub(super) fn offer(&mut self, now: Timestamp) {
        let mut left = self.slots();
        for job in self.jobs.values_mut() {
            job.offer_slots(left, now);
            if uses_slots(job) || job.wants_slots {
                left = left.saturating_sub(job.slots_needed());
            }
        }
    }

    /// The metadata it keeps in Kubernetes.
    pub(super) fn ha(&self) -> Option<HaData> {
        if !self.config.high_availability() {
            return None;
        }
        let mut data = HaData::default();
        for (id, job) in self
            .jobs
            .iter()
            .filter(|(_, job)| !job.state.is_globally_terminal())
        {
            data.job_graphs.insert(id.clone());
            let mut kept = BTreeMap::new();
            let restored = job.checkpoints.restored.iter();
            kept.extend(restored.map(|restored| (restored.id, restored.path.clone())));
            if let Some(completed) = &job.checkpoints.completed {
                kept = BTreeMap::from([(completed.id, job.stored_path(completed))]);
            }
            data.checkpoints.insert(id.clone(), kept);
        }
        Some(data)
    }

    /// Let time pass until `now`, event by event.
    pub(super) fn advance(&mut self, around: &mut Surroundings<'_>, now: Timestamp) {
        if self.leads
            && let Some(at) = self.leads_at.take()
        {
            self.begin(around, at);
        }
        loop {
            self.offer(self.cursor);
            let next = self.next_event().filter(|next| *next <= now);
            let until = next.map_or(now, |next| next.max(self.cursor));
            let passed = seconds(self.cursor, until);
            for job in self.jobs.values_mut() {
                job.work(passed, around.produced);
            }
            self.cursor = self.cursor.max(until);
            if next.is_none() {
                break;
            }
            for job in self.jobs.values_mut() {
                job.happen(around, until);
            }
            self.end_operations(around, until);
            self.record_application(around, until);
        }
        let remembered = self.timings.remembered;
        self.operations.retain(|_, operation| {
            operation.outcome.is_none() || operation.ends + remembered > now
        });
    }

    /// When something happens next, its election included.
    pub(super) fn wakes(&self) -> Option<Timestamp> {
        self.next_event().into_iter().chain(self.leads_at).min()
    }

    fn next_event(&self) -> Option<Timestamp> {
        let jobs = self.jobs.values().filter_map(Job::next_event);
        let operations = self.operations.values().filter_map(Operation::next_event);
        jobs.chain(operations).chain(self.dirty_until).min()
    }

    /// From 2.3 on the end of an application is recorded too; it is forgotten once its metadata is
    /// cleaned up. A JobManager that finds such a record runs nothing.
    fn record_application(&mut self, around: &mut Surroundings<'_>, now: Timestamp) {
        if !self.records_applications() {
            return;
        }
        let store = self.config.application_results();
        let ended = self.jobs.values().filter_map(|job| job.ended).max();
        if let Some(ended) = ended.filter(|ended| *ended == now) {
            around.storage.record_result(&store, "");
            self.dirty_until = Some(ended + self.timings.end);
        } else if self.dirty_until.is_some_and(|until| until <= now) {
            around.storage.remove_result(&store, "");
            self.dirty_until = None;
        }
    }

    fn records_applications(&self) -> bool {
        self.application && self.config.version() >= (2, 3) && self.config.high_availability()
    }

    /// It leads from now on: recover jobs, run the application.
    fn begin(&mut self, around: &mut Surroundings<'_>, now: Timestamp) {
        let found = std::mem::take(&mut self.found);
        if self.config.high_availability() {
            for id in &found.job_graphs {
                self.submit(around, id, &self.config.clone(), &found, now);
            }
        }
        if !self.application {
            return;
        }
        let id = self
            .config
            .job_id()
            .map_or_else(|| around.fresh_id(), str::to_owned);
        let done = self.records_applications()
            && around
                .storage
                .has_result(&self.config.application_results(), "");
        if !done && !self.jobs.contains_key(&id) {
            self.submit(around, &id, &self.config.clone(), &found, now);
        }
    }

    /// Start a job from the newest checkpoint of high availability, else from the configured path.
    pub(super) fn submit(
        &mut self,
        around: &mut Surroundings<'_>,
        id: &str,
        config: &ClusterConfig,
        found: &HaData,
        now: Timestamp,
    ) {
        if config.high_availability() && around.storage.has_result(&config.job_results(), id) {
            return;
        }
        let newest = found.checkpoints.get(id).and_then(BTreeMap::last_key_value);
        let origin = newest
            .map(|(_, path)| path.as_str())
            .or_else(|| config.restore_path());
        let restored = match origin.map(normal) {
            None => Ok(None),
            Some(path) => match around.storage.image(&path) {
                Some(Image { id, records }) => {
                    let savepoint = newest.is_none();
                    Ok(Some(Restored {
                        id,
                        at: now,
                        savepoint,
                        path,
                        records,
                    }))
                }
                None => Err(path),
            },
        };
        let job = |restored| {
            Job::new(
                id.to_owned(),
                config.clone(),
                self.profile.clone(),
                self.timings,
                restored,
                now,
            )
        };
        let job = match (restored, &self.profile.broken) {
            (Err(path), _) => {
                let why = format!(
                    "Cannot find checkpoint or savepoint file/directory '{path}' on file system."
                );
                around.note(
                    now,
                    Happening::JobNotStarted {
                        job: id.to_owned(),
                        why: why.clone(),
                    },
                );
                let cause = ("java.io.FileNotFoundException", why);
                job(None).stillborn(
                    Thrown::new(
                        "org.apache.flink.runtime.client.JobInitializationException",
                        "Could not start the JobMaster.",
                    )
                    .caused_by(cause.0, cause.1),
                    now,
                )
            }
            (Ok(_), Some(why)) => {
                around.note(
                    now,
                    Happening::JobNotStarted {
                        job: id.to_owned(),
                        why: why.clone(),
                    },
                );
                let class = "org.apache.flink.client.program.ProgramInvocationException";
                job(None).stillborn(Thrown::new(class, why.clone()), now)
            }
            (Ok(restored), None) => job(restored),
        };
        self.jobs.insert(id.to_owned(), job);
    }
}

fn uses_slots(job: &Job) -> bool {
    matches!(
        job.tasks,
        Tasks::Initializing | Tasks::Running | Tasks::Canceling
    )
}
