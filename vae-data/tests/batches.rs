//! Batches: their order, what is in them, and how they are made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use vae_data::{
    Batcher, Binarize, Corruption, CorruptionKind, DataError, DataShape, Dataset, Features,
    HostBatch, MemoryDataset, Scale, Scaler, Subset, UNLABELLED,
};

/// `n` examples of `features` values, all `value(example)`, in two classes and with one
/// attribute.
fn subset(n: usize, features: usize, value: impl Fn(usize) -> f32) -> Subset {
    let values = (0..n).flat_map(|i| vec![value(i); features]).collect();
    let shape = DataShape::new([features]).unwrap();
    let classes = vec!["even".to_owned(), "odd".to_owned()];
    let labels = (0..n as i32).map(|i| if i == 0 { UNLABELLED } else { i % 2 });
    let data = MemoryDataset::new(shape, values)
        .unwrap()
        .with_labels(classes, labels.collect())
        .unwrap()
        .with_attributes(
            vec!["a".to_owned()],
            (0..n).map(|i| i as f32 * 10.0).collect(),
        )
        .unwrap();
    Subset::new(Arc::new(data), (0..n as u32).collect::<Vec<_>>()).unwrap()
}

fn all(batcher: &Batcher, epoch: usize, first: usize) -> Vec<HostBatch> {
    batcher.epoch(epoch, first).map(Result::unwrap).collect()
}

fn corruption() -> Option<Corruption> {
    Some(Corruption::new(CorruptionKind::Gaussian, 0.5).unwrap())
}

#[test]
fn sequential_batches_hold_everything_in_order() {
    let batcher = Batcher::sequential(subset(5, 2, |i| i as f32), 2, 0);
    assert_eq!(batcher.batches_per_epoch(), 3);
    let batches = all(&batcher, 0, 0);
    assert_eq!(batches[1].target, [2.0, 2.0, 3.0, 3.0]);
    assert_eq!(batches[1].input(), &batches[1].target[..]);
    assert_eq!(batches[1].corrupted, None);
    assert_eq!(batches[0].labels, Some(vec![UNLABELLED, 1]));
    // One-hot class, then the attribute; nothing is hot without a label.
    let expected = vec![0.0, 0.0, 0.0, 0.0, 1.0, 10.0];
    assert_eq!(batches[0].condition, Some(expected));
    assert_eq!((batches[2].len, &batches[2].indices[..]), (1, &[4][..]));
}

#[test]
fn batch_sizes_are_checked_for_training_and_clamped_for_evaluation() {
    let data = subset(5, 2, |_| 0.0);
    for bad in [0, 6] {
        let error = Batcher::new(data.clone(), bad, 0).unwrap_err().to_string();
        assert!(error.contains(&format!("batch size is {bad}")), "{error}");
        assert!(error.contains("there are 5"), "{error}");
    }
    assert_eq!(Batcher::sequential(data.clone(), 99, 0).batch_size(), 5);
    assert_eq!(Batcher::sequential(data.clone(), 0, 0).batch_size(), 1);
    let empty = Batcher::sequential(data.first(0), 4, 0);
    assert_eq!((empty.batches_per_epoch(), all(&empty, 0, 0).len()), (0, 0));
}

#[test]
fn corruption_is_seeded_and_leaves_the_target_alone() {
    let make = |seed| {
        let batcher = Batcher::new(subset(8, 30, |_| 0.5), 4, seed).unwrap();
        batcher.shuffled().corrupt(corruption())
    };
    let batches = all(&make(1), 0, 0);
    assert_eq!(batches, all(&make(1), 0, 0));
    for batch in &batches {
        assert!(batch.target.iter().all(|&v| v == 0.5));
        assert!(batch.input().iter().any(|&v| v != 0.5));
    }
    let noise_of = |batches: &[HostBatch], example: u32| {
        let find = |b: &HostBatch| {
            let place = b.indices.iter().position(|&i| i == example)?;
            Some(b.input()[place * 30..][..30].to_vec())
        };
        batches.iter().find_map(find).unwrap()
    };
    // Another epoch or seed, other noise; another batch size, the same.
    assert_ne!(noise_of(&batches, 3), noise_of(&all(&make(1), 1, 0), 3));
    assert_ne!(noise_of(&batches, 3), noise_of(&all(&make(2), 0, 0), 3));
    assert_ne!(noise_of(&batches, 3), noise_of(&batches, 4));
    let one = Batcher::sequential(subset(8, 30, |_| 0.5), 1, 1).corrupt(corruption());
    assert_eq!(noise_of(&batches, 3), noise_of(&all(&one, 0, 0), 3));
}

#[test]
fn binary_values_have_the_right_means() {
    let p = [0.0, 0.1, 0.5, 0.9, 1.0];
    let features = 20_000;
    let make =
        |binarize| Batcher::sequential(subset(5, features, |i| p[i]), 5, 7).binarize(binarize);
    let row = |binarize, epoch| all(&make(binarize), epoch, 0).remove(0).target;
    for binarize in [Binarize::Static, Binarize::Dynamic] {
        let target = row(binarize, 3);
        assert!(target.iter().all(|&v| v == 0.0 || v == 1.0));
        for (p, values) in p.iter().zip(target.chunks(features)) {
            let mean = values.iter().sum::<f32>() / features as f32;
            // Five standard errors.
            let allowed = 5.0 * (p * (1.0 - p) / features as f32).sqrt();
            assert!((mean - p).abs() <= allowed, "{mean} for {p}");
        }
    }
    assert_eq!(row(Binarize::Static, 0), row(Binarize::Static, 1));
    assert_ne!(row(Binarize::Dynamic, 0), row(Binarize::Dynamic, 1));
    let threshold = row(Binarize::Threshold, 0);
    let firsts: Vec<f32> = threshold.chunks(features).map(|c| c[0]).collect();
    assert_eq!(firsts, [0.0, 0.0, 0.0, 1.0, 1.0]);
}

/// Six examples of `width` features, whose means are the number of the example and whose standard
/// deviations half of it.
fn distributions(width: usize) -> Subset {
    let of = |scale: f32| {
        let rows = (0..6).flat_map(|i| vec![i as f32 * scale; width]);
        rows.collect::<Vec<_>>()
    };
    let features = Features {
        means: of(1.0),
        deviations: Some(of(0.5)),
    };
    let shape = DataShape::new([width]).unwrap();
    subset(6, 1, |_| 0.0).replaced(&shape, features).unwrap()
}

#[test]
fn features_with_distributions_are_drawn_anew_in_each_epoch() {
    let width = 20_000;
    let sequential = all(&Batcher::sequential(distributions(width), 6, 1), 0, 0);
    assert!(
        (sequential[0].target.chunks(width))
            .enumerate()
            .all(|(i, row)| row.iter().all(|v| *v == i as f32))
    );
    let batcher = |seed| {
        Batcher::new(distributions(width), 4, seed)
            .unwrap()
            .shuffled()
    };
    let drawn = all(&batcher(1), 0, 0);
    for batch in &drawn {
        assert_eq!(batch.corrupted, None);
        for (row, &example) in batch.target.chunks(width).zip(&batch.indices) {
            let (n, mean, deviation) = (width as f32, example as f32, example as f32 / 2.0);
            let found = row.iter().sum::<f32>() / n;
            let squares = row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
            // Five standard errors, and the rounding of the sums.
            let allowed = 5.0 * deviation / n.sqrt() + 1e-4;
            assert!((found - mean).abs() < allowed, "{found}, not {mean}");
            let allowed = 5.0 * deviation.powi(2) * (2.0 / n).sqrt() + 1e-4;
            assert!(
                (squares - deviation.powi(2)).abs() < allowed,
                "{squares} of {example}"
            );
        }
    }
    assert_eq!(drawn, all(&batcher(1), 0, 0));
    let row_of_5 = |batches: &[HostBatch]| {
        let find = |b: &HostBatch| {
            let place = b.indices.iter().position(|&i| i == 5)?;
            Some(b.target[place * width..][..width].to_vec())
        };
        batches.iter().find_map(find).unwrap()
    };
    assert_ne!(row_of_5(&drawn), row_of_5(&all(&batcher(1), 1, 0)));
    assert_ne!(row_of_5(&drawn), row_of_5(&all(&batcher(2), 0, 0)));
    // What is drawn is scaled like everything else.
    let scaler = Scaler {
        kind: Scale::Standardize,
        offset: vec![1.0; width],
        scale: vec![2.0; width],
    };
    let data = distributions(width).scaled(Some(Arc::new(scaler)), None);
    let scaled = Batcher::new(data.unwrap(), 4, 1).unwrap().shuffled();
    let expected: Vec<f32> = row_of_5(&drawn).iter().map(|v| (v - 1.0) / 2.0).collect();
    assert_eq!(row_of_5(&all(&scaled, 0, 0)), expected);
}

#[test]
fn deviations_are_as_many_as_the_means() {
    let features = Features {
        means: vec![0.0; 6],
        deviations: Some(vec![0.0; 5]),
    };
    let shape = DataShape::new([1]).unwrap();
    let error = subset(6, 1, |_| 0.0)
        .replaced(&shape, features)
        .unwrap_err();
    assert!(
        matches!(
            error,
            DataError::Length {
                expected: 6,
                found: 5,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn each_repetition_of_an_example_is_drawn_by_itself() {
    // Example 0 has no label; of the others two keep theirs, which are repeated four times.
    let labelled = subset(9, 50, |_| 0.5).with_few_labels(2, 1).unwrap();
    let batcher = Batcher::new(labelled, 4, 3).unwrap().shuffled();
    let batcher = batcher.labelled_share(0.5).corrupt(corruption());
    let dynamic = all(&batcher.clone().binarize(Binarize::Dynamic), 0, 0);
    let fixed = all(&batcher.binarize(Binarize::Static), 0, 0);
    let draws = |batches: &[HostBatch], input: bool| {
        let mut rows = Vec::new();
        for batch in batches {
            let values = if input { batch.input() } else { &batch.target };
            rows.extend(values.chunks(50).map(<[f32]>::to_vec));
        }
        let examples = batches.iter().flat_map(|b| b.indices.clone());
        let first = batches[0].indices[0];
        let of_first = examples.zip(rows).filter(|(example, _)| *example == first);
        of_first.map(|(_, row)| row).collect::<Vec<_>>()
    };
    for rows in [
        draws(&dynamic, false),
        draws(&dynamic, true),
        draws(&fixed, true),
    ] {
        assert_eq!(rows.len(), 4);
        for (i, row) in rows.iter().enumerate() {
            assert!(rows[..i].iter().all(|other| other != row));
        }
    }
    // The static draw is one for all.
    let rows = draws(&fixed, false);
    assert!(rows.iter().all(|row| *row == rows[0]));
}

/// Fails, or panics, on one example, and counts reads.
struct Faulty {
    shape: DataShape,
    panics: bool,
    reads: AtomicUsize,
}

impl Dataset for Faulty {
    fn len(&self) -> usize {
        1000
    }

    fn shape(&self) -> &DataShape {
        &self.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        assert!(!(self.panics && index == 20), "as it should");
        if index == 20 {
            return Err(DataError::Index { index, len: 20 });
        }
        out.fill(0.0);
        Ok(())
    }
}

fn faulty(panics: bool) -> (Arc<Faulty>, Batcher) {
    let data = Arc::new(Faulty {
        shape: DataShape::new([1]).unwrap(),
        panics,
        reads: AtomicUsize::new(0),
    });
    let subset = Subset::new(data.clone(), (0..1000).collect::<Vec<u32>>()).unwrap();
    (data, Batcher::sequential(subset, 1, 0).workers(2))
}

#[test]
fn an_error_ends_the_epoch() {
    for panics in [false, true] {
        let (_, batcher) = faulty(panics);
        let results: Vec<_> = batcher.epoch(0, 0).collect();
        assert_eq!(results.len(), 21);
        assert!(results[..20].iter().all(Result::is_ok));
        let error = results[20].as_ref().unwrap_err();
        assert_eq!(matches!(error, DataError::Worker), panics);
    }
}

#[test]
fn dropping_the_batches_stops_the_threads() {
    let (data, batcher) = faulty(false);
    let mut batches = batcher.epoch(0, 0);
    batches.next().unwrap().unwrap();
    drop(batches);
    // Both threads have ended, with a few batches made ahead.
    let reads = data.reads.load(Ordering::SeqCst);
    assert!(reads < 20, "{reads}");
    assert_eq!(Arc::strong_count(&data), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_epoch_holds_every_example_once(
        n in 1_usize..60, size in 1_usize..60, seed: u64, epoch in 0_usize..1000,
    ) {
        let data = subset(n, 1, |i| i as f32);
        let Ok(batcher) = Batcher::new(data, size, seed) else {
            prop_assert!(size > n);
            return Ok(());
        };
        let batches = all(&batcher.shuffled(), epoch, 0);
        prop_assert!(batches[..batches.len() - 1].iter().all(|b| b.len == size));
        let mut seen: Vec<u32> = batches.iter().flat_map(|b| b.indices.clone()).collect();
        for batch in &batches {
            let values: Vec<f32> = batch.indices.iter().map(|&i| i as f32).collect();
            prop_assert_eq!(&batch.target, &values);
        }
        seen.sort_unstable();
        prop_assert!(seen.into_iter().eq(0..n as u32));
    }

    #[test]
    fn an_epoch_can_be_entered_anywhere(
        n in 1_usize..60, size in 1_usize..9, seed: u64, first in 0_usize..70, workers in 1_usize..5,
    ) {
        let batcher = Batcher::sequential(subset(n, 3, |i| i as f32 / 60.0), size, seed)
            .shuffled()
            .binarize(Binarize::Dynamic)
            .corrupt(corruption());
        let whole = all(&batcher.clone().workers(1), 5, 0);
        let rest = all(&batcher.workers(workers), 5, first);
        prop_assert_eq!(&rest[..], whole.get(first..).unwrap_or(&[]));
    }
}

#[test]
fn epochs_differ_in_order() {
    let batcher = Batcher::new(subset(50, 1, |i| i as f32), 50, 0)
        .unwrap()
        .shuffled();
    assert_ne!(
        all(&batcher, 0, 0)[0].indices,
        all(&batcher, 1, 0)[0].indices
    );
}
