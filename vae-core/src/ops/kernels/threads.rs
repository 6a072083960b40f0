//! Sharing a loop among threads that wait for the next one.
//!
//! A training step is a chain of loops of some ten microseconds each. A thread pool that puts its
//! threads to sleep between two of them pays about as much again to wake them. These threads watch
//! for work for a millisecond before they sleep. Part `i` of a loop runs on thread `i`, so that it
//! finds in its cache what it wrote last, unless that thread has not begun when the caller is done
//! with its own part: then the machine is busy with other things, and the caller does it. The parts,
//! and with them the results, depend on the number of threads alone.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::OnceLock;

use super::{elementwise::add, team::Team};

/// Values below which a second thread costs more than it brings.
const SMALL: usize = 1 << 13;
/// Values of a cache line, and of the longest vector.
pub(in crate::ops) const LINE: usize = 16;

/// The threads, started when they are first needed.
fn team() -> &'static Team {
    static TEAM: OnceLock<Team> = OnceLock::new();
    TEAM.get_or_init(|| Team::start(rayon::current_num_threads().max(1)))
}

/// A range of `0..length` for each thread; one range if `cost`, a number of values, is small. Ranges
/// begin at multiples of `line` where each thread gets some.
pub(in crate::ops) fn split(length: usize, line: usize, cost: usize) -> Vec<Range<usize>> {
    let threads = if cost < SMALL { 1 } else { team().size() };
    let share = match length.div_ceil(threads) {
        share if share >= 2 * line => share.next_multiple_of(line),
        share => share,
    };
    (0..length)
        .step_by(share.max(1))
        .map(|start| start..length.min(start + share))
        .collect()
}

/// Calls `work` with the number and the range of every part, each on its thread.
pub(in crate::ops) fn each(parts: &[Range<usize>], work: impl Fn(usize, Range<usize>) + Sync) {
    match parts {
        [] => {}
        [whole] => work(0, whole.clone()),
        parts => team().run(parts.len(), &|part| work(part, parts[part].clone())),
    }
}

/// What `work` gives for each part, in their order.
pub(in crate::ops) fn in_parts<T: Send + Sync>(
    parts: &[Range<usize>],
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let found: Vec<OnceLock<T>> = parts.iter().map(|_| OnceLock::new()).collect();
    each(parts, |part, range| {
        // Each part runs once.
        let _ = found[part].set(work(range));
    });
    let values = found.into_iter().map(OnceLock::into_inner);
    values
        .map(|value| value.expect("each part was done"))
        .collect()
}

/// A slice that several threads write, each its own part.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Shares<'a> {
    start: *mut f32,
    length: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: `Shares` stands for a slice that is lent to the threads; see `Shares::part`.
unsafe impl Sync for Shares<'_> {}
// SAFETY: as above.
unsafe impl Send for Shares<'_> {}

impl<'a> Shares<'a> {
    /// Lends a slice.
    pub fn new(values: &'a mut [f32]) -> Self {
        Self {
            start: values.as_mut_ptr(),
            length: values.len(),
            lifetime: PhantomData,
        }
    }

    /// The first value of a part of the slice.
    pub fn start(&self, range: Range<usize>) -> *mut f32 {
        assert!(range.start <= range.end && range.end <= self.length);
        // SAFETY: within the slice, by the line above.
        unsafe { self.start.add(range.start) }
    }

    /// A part of the slice, to be shared in its turn.
    pub fn within(&self, range: Range<usize>) -> Self {
        Self {
            start: self.start(range.clone()),
            length: range.len(),
            lifetime: PhantomData,
        }
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// No two parts that are in use at the same time may overlap.
    pub unsafe fn part(&self, range: Range<usize>) -> &'a mut [f32] {
        // SAFETY: within the slice, as `start` checks; unshared, by the contract.
        unsafe { std::slice::from_raw_parts_mut(self.start(range.clone()), range.len()) }
    }
}

/// Room for values that a product will write: to fill it with zeros first would cost about as much.
pub(in crate::ops) struct Room(Vec<f32>);

impl Room {
    /// Room for `length` values.
    pub fn new(length: usize) -> Self {
        Self(Vec::with_capacity(length))
    }

    /// Lends the room; its values may only be read after they were written.
    pub fn shares(&mut self) -> Shares<'_> {
        Shares {
            start: self.0.as_mut_ptr(),
            length: self.0.capacity(),
            lifetime: PhantomData,
        }
    }

    /// The first `length` values.
    ///
    /// # Safety
    /// All of them must have been written.
    pub unsafe fn filled(mut self, length: usize) -> Vec<f32> {
        assert!(length <= self.0.capacity());
        // SAFETY: by the contract.
        unsafe { self.0.set_len(length) };
        self.0
    }
}

/// Calls `work(first row, rows)` on the parts of `out`, whose rows are `width` wide and take
/// `cost` values of work each.
pub(in crate::ops) fn rows(
    out: &mut [f32],
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [f32]) + Sync,
) {
    share_rows(Shares::new(out), width, cost, work);
}

fn share_rows(out: Shares<'_>, width: usize, cost: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if out.length == 0 {
        return;
    }
    let count = out.length / width;
    let parts = split(count, LINE.div_ceil(width), count * cost);
    each(&parts, |_, rows| {
        // SAFETY: the ranges of `split` do not overlap.
        let part = unsafe { out.part(rows.start * width..rows.end * width) };
        work(rows.start, part);
    });
}

/// New values, of which `work` writes the parts as in [`rows`].
///
/// # Safety
/// It must write all of them, and read none before.
pub(in crate::ops) unsafe fn new_rows(
    length: usize,
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let mut room = Room::new(length);
    share_rows(room.shares().within(0..length), width, cost, work);
    // SAFETY: by the contract.
    unsafe { room.filled(length) }
}

/// A copy of `values`, of which `work` changes the parts as in [`rows`].
pub(in crate::ops) fn copied_rows(
    values: &[f32],
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    // SAFETY: all are written first.
    unsafe {
        new_rows(values.len(), width, cost, |first, part| {
            part.copy_from_slice(&values[first * width..][..part.len()]);
            work(first, part);
        })
    }
}

/// The sum of equally long slices, in their order.
pub(in crate::ops) fn sum(terms: Vec<Vec<f32>>) -> Vec<f32> {
    let mut terms = terms.into_iter();
    let mut total = terms.next().unwrap_or_default();
    for term in terms {
        rows(&mut total, 1, 1, |first, part| {
            add(part, &term[first..first + part.len()]);
        });
    }
    total
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::super::team::Shared;
    use super::*;

    #[test]
    fn every_part_runs_once_on_its_thread_or_the_callers() {
        let team = Team::start(4);
        for round in 0..2000 {
            let seen: Vec<Mutex<Vec<thread::ThreadId>>> =
                (0..4).map(|_| Mutex::new(Vec::new())).collect();
            let parts = 1 + round % 4;
            team.run(parts, &|part| {
                seen[part].lock().unwrap().push(thread::current().id());
            });
            for (part, seen) in seen.iter().enumerate() {
                let seen = seen.lock().unwrap();
                assert_eq!(seen.len(), usize::from(part < parts));
                if part > 0 && part < parts {
                    let own = team.workers[part - 1].id();
                    assert!(seen[0] == own || seen[0] == thread::current().id());
                }
            }
        }
    }

    /// A worker that never comes: there is no such thread.
    #[test]
    fn the_caller_does_what_nobody_has_begun() {
        let caller = thread::current();
        let team = Team {
            shared: Arc::new(Shared::new(2)),
            workers: vec![caller.clone(); 2],
            turn: Mutex::new(()),
        };
        for parts in [3, 2, 3] {
            let done = Mutex::new(Vec::new());
            team.run(parts, &|part| {
                done.lock().unwrap().push((part, thread::current().id()));
            });
            let expected: Vec<_> = (0..parts).map(|part| (part, caller.id())).collect();
            assert_eq!(done.into_inner().unwrap(), expected);
        }
    }

    #[test]
    fn a_sleeping_team_wakes() {
        let team = Team::start(2);
        let done = AtomicUsize::new(0);
        let asleep = || team.shared.asleep[0].load(Ordering::SeqCst);
        for round in 1..=3 {
            while !asleep() {
                thread::yield_now();
            }
            team.run(2, &|_| {
                done.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(done.load(Ordering::SeqCst), 2 * round);
        }
    }

    #[test]
    fn a_job_within_a_job_runs_on_its_thread() {
        let team = Team::start(3);
        let sum = AtomicUsize::new(0);
        team.run(3, &|_| {
            team.run(3, &|part| {
                sum.fetch_add(part, Ordering::SeqCst);
            });
        });
        assert_eq!(sum.load(Ordering::SeqCst), 9);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let team = Team::start(3);
        for bad in 0..3 {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                team.run(3, &|part| assert_ne!(part, bad, "on purpose"));
            }));
            assert!(panic.is_err());
            let sum = AtomicUsize::new(0);
            team.run(3, &|part| {
                sum.fetch_add(part, Ordering::SeqCst);
            });
            assert_eq!(sum.load(Ordering::SeqCst), 3);
        }
    }

    #[test]
    fn ranges_cover_everything_once() {
        for length in [0, 1, 31, 32, 100, 784, 4096] {
            for (cost, line) in [(0, LINE), (1 << 20, 1), (1 << 20, LINE)] {
                let parts = split(length, line, cost);
                let values: Vec<usize> = parts.iter().cloned().flatten().collect();
                assert_eq!(values, (0..length).collect::<Vec<_>>());
                assert!(parts.len() <= team().size());
            }
        }
    }
}
