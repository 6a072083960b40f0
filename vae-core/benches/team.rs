//! What it costs to share a short loop among threads, by the team of the kernels and by rayon:
//! `a += b` on as many values as a batch of hidden units or of images has.
//!
//! `cargo bench -p vae-core --bench team`, on a machine that does nothing else. Besides one right after
//! another, loops are timed after a pause in which the caller computes, as it does between the
//! operations of a step.

#[path = "../src/ops/kernels/sync.rs"]
mod sync;
#[path = "../src/ops/kernels/team.rs"]
mod team;

use std::fmt::{self, Display, Formatter};
use std::hint;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use divan::Bencher;
use rayon::prelude::*;
use team::Team;

/// Loops that are timed, one by one.
const LOOPS: u32 = 5000;

fn main() {
    divan::main();
}

/// A loop, and what comes before it.
struct Case {
    rows: usize,
    columns: usize,
    /// Microseconds that the caller computes before.
    pause: u64,
}

const fn case(rows: usize, columns: usize, pause: u64) -> Case {
    Case {
        rows,
        columns,
        pause,
    }
}

const CASES: [Case; 6] = [
    case(128, 512, 0),
    case(128, 512, 20),
    case(128, 512, 200),
    case(128, 784, 0),
    case(128, 784, 20),
    case(128, 784, 200),
];

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)?;
        match self.pause {
            0 => Ok(()),
            pause => write!(f, " after {pause} us"),
        }
    }
}

fn add(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// Times a loop over two slices.
fn time(bencher: Bencher<'_, '_>, case: &Case, mut work: impl FnMut(&mut [f32], &[f32])) {
    let length = case.rows * case.columns;
    let (mut a, b) = (vec![0.0; length], vec![1.0; length]);
    let pause = Duration::from_micros(case.pause);
    bencher
        .with_inputs(|| {
            let since = Instant::now();
            while since.elapsed() < pause {
                hint::spin_loop();
            }
        })
        .bench_local_values(|()| work(&mut a, &b));
}

#[divan::bench(args = CASES, sample_size = 1, sample_count = LOOPS)]
fn alone(bencher: Bencher<'_, '_>, case: &Case) {
    time(bencher, case, add);
}

#[divan::bench(args = CASES, sample_size = 1, sample_count = LOOPS)]
fn team(bencher: Bencher<'_, '_>, case: &Case) {
    static TEAM: LazyLock<Team> = LazyLock::new(|| Team::start(rayon::current_num_threads()));
    time(bencher, case, |a, b| {
        let share = a.len().div_ceil(TEAM.size());
        let parts: Vec<_> = a
            .chunks_mut(share)
            .zip(b.chunks(share))
            .map(Mutex::new)
            .collect();
        TEAM.run(parts.len(), &|part| {
            let (a, b) = &mut *parts[part].lock().expect("no part panics");
            add(a, b);
        });
    });
}

/// Called from a thread that is none of rayon's, as it would be in a training step.
#[divan::bench(args = CASES, sample_size = 1, sample_count = LOOPS)]
fn rayon(bencher: Bencher<'_, '_>, case: &Case) {
    time(bencher, case, |a, b| {
        let share = a.len().div_ceil(rayon::current_num_threads());
        let parts = a.par_chunks_mut(share).zip(b.par_chunks(share));
        parts.for_each(|(a, b)| add(a, b));
    });
}
