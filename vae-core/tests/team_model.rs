//! The threads of the kernels, modelled by Loom: each test runs once for every order in which their
//! steps can meet, up to a few preemptions.

#[path = "../src/ops/kernels/team.rs"]
mod team;

/// What `team` takes from the system.
mod sync {
    use loom::thread::{Builder, yield_now};

    pub use loom::cell::UnsafeCell;
    pub use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
    pub use loom::sync::{Arc, Mutex};
    pub use loom::thread::{Thread, park};

    pub fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Thread {
        let thread = Builder::new().name(name).spawn(work);
        thread.expect("Loom starts a thread").thread().clone()
    }

    /// None: a worker that finds no job sleeps at once, and a caller waits for the others' steps.
    pub struct Patience;

    impl Patience {
        pub fn new() -> Self {
            Self
        }

        pub fn pass(&mut self) -> bool {
            yield_now();
            false
        }
    }
}

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use loom::{model::Builder, thread};
use sync::{Arc, AtomicBool, Ordering, UnsafeCell};
use team::Team;

/// Checks `test` in every order of steps with at most so many preemptions.
fn model(preemptions: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(test);
}

/// Values that threads write without locks. Loom refuses a use that nothing orders after a write.
struct Places(Vec<UnsafeCell<usize>>);

// SAFETY: Loom sees to it.
unsafe impl Sync for Places {}

impl Places {
    fn new(length: usize) -> Self {
        Self((0..length).map(|_| UnsafeCell::new(0)).collect())
    }

    fn add(&self, place: usize) {
        // SAFETY: see `Places`.
        self.0[place].with_mut(|value| unsafe { *value += 1 });
    }

    fn values(&self) -> Vec<usize> {
        // SAFETY: see `Places`.
        let value = |place: &UnsafeCell<usize>| place.with(|value| unsafe { *value });
        self.0.iter().map(value).collect()
    }
}

#[test]
fn every_part_runs_once_and_the_caller_sees_what_it_wrote() {
    model(3, || {
        let (team, places) = (Team::start(2), Places::new(2));
        team.run(2, &|part| places.add(part));
        assert_eq!(places.values(), [1, 1]);
    });
    model(2, || {
        let (team, places) = (Team::start(3), Places::new(3));
        team.run(3, &|part| places.add(part));
        assert_eq!(places.values(), [1, 1, 1]);
    });
}

/// Later jobs have fewer parts, or more: a worker that comes late finds the right one, or none.
#[test]
fn one_job_follows_another() {
    model(3, || {
        let (team, places) = (Team::start(2), Places::new(2));
        for parts in [2, 1, 2] {
            team.run(parts, &|part| places.add(part));
        }
        assert_eq!(places.values(), [3, 2]);
    });
    model(1, || {
        let (team, places) = (Team::start(3), Places::new(3));
        for parts in [2, 3] {
            team.run(parts, &|part| places.add(part));
        }
        assert_eq!(places.values(), [2, 2, 1]);
    });
}

/// The caller's part waits for the worker's, which would wait for ever if nobody woke the worker.
#[test]
fn a_sleeping_worker_is_woken() {
    model(3, || {
        let team = Team::start(2);
        for _ in 0..2 {
            let done = AtomicBool::new(false);
            team.run(2, &|part| match part {
                0 => {
                    while !done.load(Ordering::Acquire) {
                        thread::yield_now();
                    }
                }
                _ => done.store(true, Ordering::Release),
            });
        }
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_team_goes_on() {
    for bad in 0..2 {
        model(2, move || {
            let (team, places) = (Team::start(2), Places::new(2));
            let panic = catch_unwind(AssertUnwindSafe(|| {
                team.run(2, &|part| {
                    places.add(part);
                    if part == bad {
                        resume_unwind(Box::new("on purpose"));
                    }
                });
            }));
            let panic = panic.expect_err("a panic");
            assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
            assert_eq!(places.values(), [1, 1]);
            team.run(2, &|part| places.add(part));
            assert_eq!(places.values(), [2, 2]);
        });
    }
}

/// One of them has the worker's help, the other does all by itself, or comes after.
#[test]
fn two_callers_do_not_disturb_each_other() {
    model(2, || {
        let team = Arc::new(Team::start(2));
        let call = |team: &Team| {
            let places = Places::new(2);
            team.run(2, &|part| places.add(part));
            assert_eq!(places.values(), [1, 1]);
        };
        let other = thread::spawn({
            let team = Arc::clone(&team);
            move || call(&team)
        });
        call(&team);
        other.join().expect("no panic");
    });
}

/// So that no thread is left over: it would be waiting when the model ends.
#[test]
fn the_workers_end_with_the_team() {
    model(3, || {
        let team = Team::start(3);
        assert_eq!(team.size(), 3);
    });
}
