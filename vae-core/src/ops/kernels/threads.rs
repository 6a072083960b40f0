//! Sharing rows among the threads.

use rayon::prelude::*;

/// Values below which a second thread costs more than it brings.
const SMALL: usize = 1 << 14;

/// How many of `rows` rows, each `cost` values of work, one thread takes.
fn share(rows: usize, cost: usize) -> usize {
    let threads = rayon::current_num_threads();
    if threads == 1 || rows * cost < SMALL {
        rows.max(1)
    } else {
        rows.div_ceil(threads).max(1)
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
    map_rows(out, width, cost, work);
}

/// As [`rows`]; gives what each call of `work` returned, in the order of the rows.
pub(in crate::ops) fn map_rows<R: Send>(
    out: &mut [f32],
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [f32]) -> R + Sync,
) -> Vec<R> {
    if out.is_empty() {
        return Vec::new();
    }
    let count = out.len() / width;
    let share = share(count, cost);
    if share >= count {
        return vec![work(0, out)];
    }
    out.par_chunks_mut(share * width)
        .enumerate()
        .map(|(part, rows)| work(part * share, rows))
        .collect()
}

/// Calls `work` on corresponding parts of three equally long slices to write and one to read.
pub(in crate::ops) fn parts(
    [a, b, c]: [&mut [f32]; 3],
    read: &[f32],
    work: impl Fn([&mut [f32]; 3], &[f32]) + Sync,
) {
    let share = share(a.len(), 1);
    if share >= a.len() {
        return work([a, b, c], read);
    }
    a.par_chunks_mut(share)
        .zip(b.par_chunks_mut(share))
        .zip(c.par_chunks_mut(share))
        .zip(read.par_chunks(share))
        .for_each(|(((a, b), c), read)| work([a, b, c], read));
}
