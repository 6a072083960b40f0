//! Threads that do the parts of one job after another: what they tell each other, and in which order.
//!
//! All that it needs of the system comes from `super::sync`. `tests/team_model.rs` includes this file
//! beside a `sync` of Loom's types, which try every order of the threads' steps that the memory model
//! allows: `cargo test -p vae-core --test team_model`. A change here must pass that.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::TryLockError;

use super::sync::{
    Arc, AtomicBool, AtomicUsize, Mutex, Ordering, Patience, Thread, UnsafeCell, fence, park, spawn,
};

type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// The count that sends the workers home.
const END: usize = usize::MAX;

/// What the threads of a team share.
pub(super) struct Shared {
    /// Counts the jobs; a change is the word to begin.
    count: AtomicUsize,
    job: UnsafeCell<Option<*const Work<'static>>>,
    /// For each part but the caller's, the last job in which somebody has claimed it, or in which
    /// there was no such part.
    claims: Vec<AtomicUsize>,
    /// Parts of the job that are not finished, without the caller's.
    pending: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    pub(super) asleep: Vec<AtomicBool>,
}

// SAFETY: `job` is written by the thread that holds the team, while no part is pending, and read by
// those who saw `count` change, which orders the two, and have claimed a part that is pending.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is only followed while the caller waits.
unsafe impl Send for Shared {}

impl Shared {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            count: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            claims: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            pending: AtomicUsize::new(0),
            panic: Mutex::new(None),
            asleep: (0..workers).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Waits until `count` is no longer `seen`.
    fn next(&self, worker: usize, seen: usize) -> usize {
        let changed = || {
            let count = self.count.load(Ordering::Acquire);
            (count != seen).then_some(count)
        };
        let mut patience = Patience::new();
        loop {
            if let Some(count) = changed() {
                return count;
            }
            if !patience.pass() {
                break;
            }
        }
        self.asleep[worker].store(true, Ordering::Relaxed);
        // Of this fence and that of `announce` one is the first: either this thread sees the new
        // count, or the caller sees that this thread sleeps, and wakes it.
        fence(Ordering::SeqCst);
        let count = loop {
            match changed() {
                Some(count) => break count,
                None => park(),
            }
        };
        self.asleep[worker].store(false, Ordering::Relaxed);
        count
    }

    /// Gives the word, and wakes those who sleep.
    fn announce(&self, count: usize, workers: &[Thread]) {
        self.count.store(count, Ordering::Release);
        // See `next`.
        fence(Ordering::SeqCst);
        for (worker, asleep) in workers.iter().zip(&self.asleep) {
            if asleep.load(Ordering::Relaxed) {
                worker.unpark();
            }
        }
    }

    fn work(&self, worker: usize) {
        let mut seen = 0;
        loop {
            seen = self.next(worker, seen);
            if seen == END {
                return;
            }
            self.take(worker, seen);
        }
    }

    /// Does a worker's part of job `count`, if nobody has claimed it.
    fn take(&self, worker: usize, count: usize) {
        let claim = &self.claims[worker];
        // `count` orders all else: a claim only has to be the one.
        let last = claim.load(Ordering::Relaxed);
        // If it is not below, the part is taken, or the job is over.
        if last >= count
            || claim
                .compare_exchange(last, count, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        // SAFETY: see `Sync`.
        let work = self.job.with(|job| unsafe { *job });
        let work = work.expect("a job was written before the count");
        // SAFETY: the job is not over, as this part of it is pending: the caller keeps it alive.
        let done = catch_unwind(AssertUnwindSafe(|| unsafe { (*work)(worker + 1) }));
        if let Err(panic) = done
            && let Ok(mut first) = self.panic.lock()
        {
            first.get_or_insert(panic);
        }
        self.pending.fetch_sub(1, Ordering::Release);
    }

    fn wait(&self) {
        let mut patience = Patience::new();
        while self.pending.load(Ordering::Acquire) > 0 {
            patience.pass();
        }
    }
}

/// A thread that calls, and threads that help it.
pub(super) struct Team {
    pub(super) shared: Arc<Shared>,
    pub(super) workers: Vec<Thread>,
    /// Held by the thread whose job is running.
    pub(super) turn: Mutex<()>,
}

impl Team {
    /// Starts all but the one that calls.
    pub(super) fn start(threads: usize) -> Self {
        let shared = Arc::new(Shared::new(threads - 1));
        let start = |worker| {
            let shared = Arc::clone(&shared);
            spawn(format!("kernel-{}", worker + 1), move || {
                shared.work(worker)
            })
        };
        Self {
            workers: (0..threads - 1).map(start).collect(),
            shared,
            turn: Mutex::new(()),
        }
    }

    /// Number of threads, with the one that calls.
    pub(super) fn size(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work` with every part below `parts`, which are no more than the threads and at least
    /// one, each on its thread if that is free.
    pub(super) fn run(&self, parts: usize, work: &Work<'_>) {
        let turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            // Another thread is computing, or this one is within a part: do it all here.
            Err(TryLockError::WouldBlock) => return (0..parts).for_each(work),
        };
        let shared = &*self.shared;
        let work: *const Work<'_> = work;
        // SAFETY: only the lifetime changes; this function waits for every use of the pointer.
        let job = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        // SAFETY: nobody reads `job` now, as no part of the last one is pending.
        shared.job.with_mut(|place| unsafe { *place = Some(job) });
        let count = shared.count.load(Ordering::Relaxed) + 1;
        for claim in &shared.claims[parts - 1..] {
            claim.store(count, Ordering::Relaxed);
        }
        shared.pending.store(parts - 1, Ordering::Relaxed);
        shared.announce(count, &self.workers[..parts - 1]);
        // SAFETY: the caller's reference is alive.
        let own = catch_unwind(AssertUnwindSafe(|| unsafe { (*work)(0) }));
        for worker in 0..parts - 1 {
            shared.take(worker, count);
        }
        shared.wait();
        let theirs = shared.panic.lock().ok().and_then(|mut panic| panic.take());
        drop(turn);
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    /// The workers end, after what they are doing.
    fn drop(&mut self) {
        self.shared.announce(END, &self.workers);
    }
}
