//! Runs trials as processes, several at once, each at most once.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use vae_results::Summary;

use super::folder::{Folder, State};
use super::plan::Plan;
use super::progress::Progress;
use super::stop::{Stop, ask_to_end};
use super::vae::Vae;

const POLL: Duration = Duration::from_millis(50);

/// How trials share the machine.
#[derive(Clone, Copy)]
pub struct Share {
    pub jobs: usize,
    pub threads: usize,
}

/// How a trial ended.
pub enum Outcome {
    /// With this summary.
    Finished(Box<Summary>),
    /// For this reason: one line, then the end of the log if there is one.
    Failed(String),
    /// It was stopped, or never started.
    Unfinished,
}

/// A trial that goes on.
struct Running {
    index: usize,
    work: Work,
    started: Instant,
}

enum Work {
    Child(Child),
    /// A process of an earlier, killed call still runs the trial: it keeps the log locked.
    Elsewhere(File),
}

/// Runs all trials that are not finished, and tells how each one ended.
pub fn run_trials(plan: &Plan, trials: &Path, vae: &Vae, share: Share) -> Result<Vec<Outcome>> {
    let stop = Stop::listen().context("cannot listen for Ctrl-C")?;
    let mut outcomes = Vec::new();
    let mut queue = VecDeque::new();
    for (index, trial) in plan.trials.iter().enumerate() {
        outcomes.push(match Folder::new(trials, trial).state(trial) {
            State::Finished(summary) => Outcome::Finished(summary),
            State::Resumable | State::New => {
                queue.push_back(index);
                Outcome::Unfinished
            }
        });
    }
    let finished = plan.trials.len() - queue.len();
    let progress = Progress::new(plan.trials.len(), finished, share.jobs);
    let runner = Runner {
        plan,
        trials,
        vae,
        share,
        stop,
        outcomes,
        progress,
    };
    Ok(runner.run(queue))
}

struct Runner<'a> {
    plan: &'a Plan,
    trials: &'a Path,
    vae: &'a Vae,
    share: Share,
    stop: Stop,
    outcomes: Vec<Outcome>,
    progress: Progress,
}

impl Runner<'_> {
    fn run(mut self, mut queue: VecDeque<usize>) -> Vec<Outcome> {
        let mut running: Vec<Running> = Vec::new();
        let mut stopping: Option<Instant> = None;
        let mut told = false;
        loop {
            if self.stop.requested() {
                queue.clear();
                running.retain(|trial| matches!(trial.work, Work::Child(_)));
                let since = *stopping.get_or_insert_with(|| {
                    self.progress
                        .say("Stopping: waiting for the trials that run …");
                    Instant::now()
                });
                if !told && self.stop.must_pass_on(since) {
                    told = true;
                    for trial in &running {
                        if let Work::Child(child) = &trial.work {
                            ask_to_end(child);
                        }
                    }
                }
            }
            while running.len() < self.share.jobs
                && let Some(index) = queue.pop_front()
            {
                match self.start(index) {
                    Ok(work) => running.extend(work),
                    Err(error) => self.fail(index, None, format!("{error:#}")),
                }
            }
            if running.is_empty() && queue.is_empty() {
                break;
            }
            self.progress.show(running.len());
            std::thread::sleep(POLL);
            running = running
                .into_iter()
                .filter_map(|trial| self.check(trial))
                .collect();
        }
        self.progress.end();
        self.outcomes
    }

    fn folder(&self, index: usize) -> Folder {
        Folder::new(self.trials, &self.plan.trials[index])
    }

    /// Starts a trial, or goes on with it, or finds that it is finished by now.
    fn start(&mut self, index: usize) -> Result<Option<Running>> {
        let folder = self.folder(index);
        let log = folder.log();
        fs::create_dir_all(folder.path())
            .with_context(|| format!("cannot make the folder {}", folder.path().display()))?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        // The child inherits the locked file: the lock lasts as long as the child,
        // even if this process is killed.
        let work = match log.try_lock() {
            Ok(()) => match self.start_locked(index, &folder, log)? {
                Some(child) => Work::Child(child),
                None => return Ok(None),
            },
            Err(TryLockError::WouldBlock) => {
                let name = &self.plan.trials[index].folder;
                self.progress.say(&format!(
                    "waiting for {name}: an earlier call left it running"
                ));
                Work::Elsewhere(log)
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the log"),
        };
        Ok(Some(Running {
            index,
            work,
            started: Instant::now(),
        }))
    }

    fn start_locked(&mut self, index: usize, folder: &Folder, log: File) -> Result<Option<Child>> {
        let trial = &self.plan.trials[index];
        let mut command = match folder.state(trial) {
            State::Finished(summary) => {
                self.finish(index, None, summary);
                return Ok(None);
            }
            State::Resumable => self.vae.resume(&folder.run(), self.share.threads),
            State::New => {
                log.set_len(0).context("cannot empty the log")?;
                folder.begin(trial)?;
                self.vae
                    .train(&folder.config(), &folder.run(), self.share.threads)
            }
        };
        let errors = log.try_clone().context("cannot share the log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn();
        child.context("cannot start vae").map(Some)
    }

    /// Looks after a trial; gives it back while it goes on.
    fn check(&mut self, mut trial: Running) -> Option<Running> {
        let index = trial.index;
        match &mut trial.work {
            Work::Child(child) => match child.try_wait() {
                Ok(None) => return Some(trial),
                Ok(Some(status)) => self.ended(index, trial.started.elapsed(), status),
                Err(error) => self.fail(index, None, error.to_string()),
            },
            Work::Elsewhere(log) => {
                if let Err(TryLockError::WouldBlock) = log.try_lock() {
                    return Some(trial);
                }
                // Another open file cannot take the lock before this one is closed.
                drop(trial);
                match self.start(index) {
                    Ok(work) => return work,
                    Err(error) => self.fail(index, None, format!("{error:#}")),
                }
            }
        }
        None
    }

    fn ended(&mut self, index: usize, took: Duration, status: ExitStatus) {
        let folder = self.folder(index);
        // A run writes its summary last: with one, it is finished.
        if let State::Finished(summary) = folder.state(&self.plan.trials[index]) {
            self.finish(index, Some(took), summary);
        } else if !self.stop.requested() {
            let reason = if status.success() {
                "it ended without a summary.json".to_owned()
            } else {
                status.to_string()
            };
            let reason = format!("{reason}{}", folder.log_end());
            self.fail(index, Some(took), reason);
        }
    }

    fn finish(&mut self, index: usize, took: Option<Duration>, summary: Box<Summary>) {
        let test = summary.test.as_ref();
        let loss = test.and_then(|test| test.values.get("loss"));
        self.progress
            .finished(&self.plan.trials[index].folder, took, loss);
        self.outcomes[index] = Outcome::Finished(summary);
    }

    fn fail(&mut self, index: usize, took: Option<Duration>, reason: String) {
        self.progress
            .failed(&self.plan.trials[index].folder, took, &reason);
        self.outcomes[index] = Outcome::Failed(reason);
    }
}
