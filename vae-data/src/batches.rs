//! Batches of examples, prepared ahead by background threads.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::random::{Stream, epoch_index, permutation, rng, uniform};
use crate::{Binarize, Corruption, DataError, Subset};

/// Batches that each thread prepares ahead.
const AHEAD: usize = 2;

/// Some examples, as plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    /// Number of examples.
    pub len: usize,
    /// What the model should give back: `[len, features]`, scaled, and binary if so
    /// chosen. NaN where a cell of a table is missing.
    pub target: Vec<f32>,
    /// The corrupted target, `[len, features]`, NaN where that is; `None` without corruption, when the input is
    /// the target itself. See [`HostBatch::input`].
    pub corrupted: Option<Vec<f32>>,
    /// Classes, `[len]`; `None` if the data has none.
    pub labels: Option<Vec<i32>>,
    /// Conditions, `[len, classes + attributes]`: the class, one-hot (all zero if
    /// unlabelled), then the scaled attributes; `None` if the data has neither.
    pub condition: Option<Vec<f32>>,
    /// Indices of the examples in their dataset, `[len]`.
    pub indices: Vec<u32>,
}

impl HostBatch {
    /// What the model is given: `[len, features]`.
    pub fn input(&self) -> &[f32] {
        self.corrupted.as_deref().unwrap_or(&self.target)
    }
}

/// Cuts a subset into batches.
///
/// Every batch is a pure function of the seed, the epoch and the number of the batch.
#[derive(Clone, Debug)]
pub struct Batcher {
    subset: Subset,
    batch_size: usize,
    seed: u64,
    shuffled: bool,
    binarize: Binarize,
    corruption: Option<Corruption>,
    workers: usize,
    enriched: Option<Arc<Enriched>>,
}

/// Batches with more labelled examples than the subset has on average.
#[derive(Debug)]
struct Enriched {
    /// Positions of the labelled examples.
    labelled: Vec<u32>,
    /// Positions of the others.
    others: Vec<u32>,
    /// Labelled examples in a batch.
    per_batch: usize,
}

impl Batcher {
    /// Batches for training.
    ///
    /// # Errors
    /// [`DataError::BatchSize`] if `batch_size` is 0 or above the number of examples.
    pub fn new(subset: Subset, batch_size: usize, seed: u64) -> Result<Self, DataError> {
        let examples = subset.len();
        if batch_size == 0 || batch_size > examples {
            return Err(DataError::BatchSize {
                batch_size,
                examples,
            });
        }
        Ok(Self::sequential(subset, batch_size, seed))
    }

    /// Batches for evaluation: in order, and of at most `batch_size` examples, which is
    /// lowered to the size of the subset and raised to 1.
    pub fn sequential(subset: Subset, batch_size: usize, seed: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            batch_size: batch_size.min(subset.len()).max(1),
            subset,
            seed,
            shuffled: false,
            binarize: Binarize::None,
            corruption: None,
            workers: (cores / 4).clamp(1, 4),
            enriched: None,
        }
    }

    /// Takes the examples in random order, another one in each epoch.
    #[must_use]
    pub fn shuffled(self) -> Self {
        Self {
            shuffled: true,
            ..self
        }
    }

    /// Makes values binary. Values are taken as probabilities: 0 and less never gives
    /// 1, and 1 and more always does.
    #[must_use]
    pub fn binarize(self, binarize: Binarize) -> Self {
        Self { binarize, ..self }
    }

    /// Corrupts the input, and leaves the target alone.
    #[must_use]
    pub fn corrupt(self, corruption: Option<Corruption>) -> Self {
        Self { corruption, ..self }
    }

    /// Gives labelled examples this share of every shuffled batch, from above 0 to below 1, if the
    /// subset has fewer of them. They are repeated, and an epoch is one pass over the others.
    #[must_use]
    pub fn labelled_share(self, share: f64) -> Self {
        let (labelled, others) = self.subset.by_label();
        let natural = labelled.len() as f64 / self.subset.len().max(1) as f64;
        if labelled.is_empty() || natural >= share || self.batch_size < 2 {
            return self;
        }
        let per_batch = (share * self.batch_size as f64).round() as usize;
        let enriched = Enriched {
            labelled,
            others,
            per_batch: per_batch.clamp(1, self.batch_size - 1),
        };
        Self {
            enriched: Some(Arc::new(enriched)),
            ..self
        }
    }

    /// Number of threads that prepare batches, at least 1. The batches do not depend on
    /// it. The default is a quarter of the cores, from 1 to 4.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            ..self
        }
    }

    /// Number of examples in an epoch.
    pub fn examples(&self) -> usize {
        match &self.enriched {
            Some(enriched) if self.shuffled => {
                let others = enriched.others.len();
                let batches = others.div_ceil(self.batch_size - enriched.per_batch);
                others + batches * enriched.per_batch
            }
            _ => self.subset.len(),
        }
    }

    /// Examples of the subset, however often an epoch takes each.
    pub fn subset_len(&self) -> usize {
        self.subset.len()
    }

    /// Largest number of examples in a batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Number of batches in an epoch; the last may be smaller than the others.
    pub fn batches_per_epoch(&self) -> usize {
        self.examples().div_ceil(self.batch_size)
    }

    /// The batches of `epoch`, from number `first_batch` on (both count from 0).
    pub fn epoch(&self, epoch: usize, first_batch: usize) -> Batches {
        let order: Arc<[u32]> = self.order(epoch).into();
        let total = self.batches_per_epoch();
        let workers = self.workers.min(total.saturating_sub(first_batch));
        let (receivers, threads) = (0..workers)
            .map(|worker| {
                let (sender, receiver) = sync_channel(AHEAD);
                let (batcher, order) = (self.clone(), order.clone());
                let numbers = (first_batch + worker..total).step_by(workers);
                let thread =
                    std::thread::spawn(move || batcher.send(&order, epoch, numbers, &sender));
                (receiver, thread)
            })
            .unzip();
        Batches {
            receivers,
            threads,
            next: first_batch,
            first: first_batch,
            total,
        }
    }

    /// Positions in the subset, in the order of `epoch`.
    fn order(&self, epoch: usize) -> Vec<u32> {
        match &self.enriched {
            _ if !self.shuffled => (0..self.subset.len() as u32).collect(),
            Some(enriched) => self.enriched_order(enriched, epoch),
            None => {
                let mut rng = rng(self.seed, Stream::Shuffle, epoch as u64);
                permutation(&mut rng, self.subset.len())
            }
        }
    }

    /// In each batch first the labelled examples, then the others.
    fn enriched_order(&self, enriched: &Enriched, epoch: usize) -> Vec<u32> {
        let shuffled = |of: &[u32], stream, index| -> Vec<u32> {
            let order = permutation(&mut rng(self.seed, stream, index), of.len());
            order.into_iter().map(|i| of[i as usize]).collect()
        };
        let mut labelled = (0..).flat_map(|pass| {
            let index = epoch_index(epoch, pass);
            shuffled(&enriched.labelled, Stream::ShuffleLabelled, index)
        });
        let others = shuffled(&enriched.others, Stream::Shuffle, epoch as u64);
        let mut order = Vec::with_capacity(self.examples());
        for others in others.chunks(self.batch_size - enriched.per_batch) {
            order.extend(labelled.by_ref().take(enriched.per_batch));
            order.extend_from_slice(others);
        }
        order
    }

    /// Prepares the batches with these `numbers` until nobody wants them any more.
    fn send(
        &self,
        order: &[u32],
        epoch: usize,
        numbers: impl Iterator<Item = usize>,
        sender: &SyncSender<Result<HostBatch, DataError>>,
    ) {
        for number in numbers {
            let start = number * self.batch_size;
            let end = (start + self.batch_size).min(order.len());
            let batch = self.batch(&order[start..end], epoch, start);
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    }

    /// The batch of the examples at these `positions`, of which the first is number `start` of the epoch.
    fn batch(&self, positions: &[u32], epoch: usize, start: usize) -> Result<HostBatch, DataError> {
        let subset = &self.subset;
        let (len, features) = (positions.len(), subset.shape().features());
        let indices: Vec<u32> = positions
            .iter()
            .map(|&position| subset.indices()[position as usize])
            .collect();
        // What is drawn belongs to an example, or where examples are repeated, to a place in the epoch.
        let repeats = self.shuffled && self.enriched.is_some();
        let place = |i: usize| match repeats {
            true => epoch_index(epoch, (start + i) as u32),
            false => epoch_index(epoch, indices[i]),
        };
        let mut target = vec![0.0; len * features];
        for (i, row) in target.chunks_exact_mut(features).enumerate() {
            let position = positions[i] as usize;
            if self.shuffled {
                subset.draw(position, (self.seed, place(i)), row)?;
            } else {
                subset.read(position, row)?;
            }
            self.make_binary(row, indices[i], place(i));
        }
        let mut corrupted = self.corruption.map(|corruption| {
            let mut input = target.clone();
            for (i, row) in input.chunks_exact_mut(features).enumerate() {
                let mut rng = rng(self.seed, Stream::Corrupt, place(i));
                match subset.table() {
                    Some(columns) => corruption.apply_to_table(row, columns, &mut rng),
                    None => corruption.apply(row, subset.shape(), &mut rng),
                }
            }
            input
        });
        if let (Some(input), Some(_)) = (&mut corrupted, subset.table()) {
            keep_gaps(input, &target);
        }
        let labels = (!subset.classes().is_empty()).then(|| {
            let labels = positions.iter().map(|&p| subset.label(p as usize));
            labels.collect()
        });
        let width = subset.condition_width();
        let condition = if width == 0 {
            None
        } else {
            let mut condition = vec![0.0; len * width];
            for (row, &position) in condition.chunks_exact_mut(width).zip(positions) {
                subset.read_condition(position as usize, row)?;
            }
            Some(condition)
        };
        Ok(HostBatch {
            len,
            target,
            corrupted,
            labels,
            condition,
            indices,
        })
    }

    fn make_binary(&self, row: &mut [f32], example: u32, place: u64) {
        // The static draw, which is the same in each epoch, comes before those of epoch 0.
        let index = match self.binarize {
            Binarize::None => return,
            Binarize::Threshold => {
                let known = row.iter_mut().filter(|v| !v.is_nan());
                known.for_each(|v| *v = f32::from(u8::from(*v > 0.5)));
                return;
            }
            Binarize::Static => epoch_index(0, example),
            Binarize::Dynamic => place + epoch_index(1, 0),
        };
        let mut rng = rng(self.seed, Stream::Binarize, index);
        for value in row {
            let draw = uniform(&mut rng);
            if !value.is_nan() {
                *value = f32::from(u8::from(draw < *value));
            }
        }
    }
}

/// What is missing stays so, whatever corruption has put there.
fn keep_gaps(input: &mut [f32], target: &[f32]) {
    for (value, target) in input.iter_mut().zip(target) {
        if target.is_nan() {
            *value = f32::NAN;
        }
    }
}

/// The batches of one epoch, in order. Threads prepare them ahead; dropping this stops
/// the threads.
pub struct Batches {
    receivers: Vec<Receiver<Result<HostBatch, DataError>>>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
    first: usize,
    total: usize,
}

impl Iterator for Batches {
    type Item = Result<HostBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.total {
            return None;
        }
        let worker = (self.next - self.first) % self.receivers.len();
        let batch = self.receivers[worker].recv();
        let batch = batch.unwrap_or(Err(DataError::Worker));
        self.next = if batch.is_ok() {
            self.next + 1
        } else {
            self.total
        };
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.total.saturating_sub(self.next);
        (0, Some(left))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // Without receivers, every thread ends after the batch it is working on.
        self.receivers.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
