//! Data with few labels: which are kept, and how batches are enriched with them.

use std::sync::Arc;

use proptest::prelude::*;
use vae_data::{Batcher, DataShape, HostBatch, MemoryDataset, Subset, UNLABELLED};

/// Examples whose only feature is their index, with these labels of three classes.
fn subset(labels: Vec<i32>) -> Subset {
    let count = labels.len();
    let values = (0..count).map(|i| i as f32).collect();
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let data = MemoryDataset::new(DataShape::new([1]).unwrap(), values)
        .unwrap()
        .with_labels(classes, labels)
        .unwrap();
    Subset::new(Arc::new(data), (0..count as u32).collect::<Vec<_>>()).unwrap()
}

fn labels(subset: &Subset) -> Vec<i32> {
    (0..subset.len()).map(|i| subset.label(i)).collect()
}

/// The first `known` of `count` examples have a label.
fn partly(known: usize, count: usize) -> Subset {
    let label = |i| {
        if i < known {
            (i % 3) as i32
        } else {
            UNLABELLED
        }
    };
    subset((0..count).map(label).collect())
}

fn epoch(batcher: &Batcher, epoch: usize, first: usize) -> Vec<HostBatch> {
    batcher.epoch(epoch, first).map(Result::unwrap).collect()
}

#[test]
fn a_balanced_choice_keeps_its_labels() {
    let all = subset((0..90).map(|i| i % 3).collect());
    let few = all.clone().with_few_labels(8, 5).unwrap();
    let kept = labels(&few);
    let of_class = |class| kept.iter().filter(|label| **label == class).count();
    assert_eq!([of_class(0), of_class(1), of_class(2)], [3, 3, 2]);
    for (i, label) in kept.iter().enumerate() {
        let mut condition = [9.0; 3];
        few.read_condition(i, &mut condition).unwrap();
        let hot = usize::try_from(*label).ok();
        let expected: Vec<f32> = (0..3)
            .map(|c| f32::from(u8::from(hot == Some(c))))
            .collect();
        assert_eq!(condition[..], expected);
        assert!(*label == UNLABELLED || *label == all.label(i));
    }
    assert_eq!(labels(&all.clone().with_few_labels(8, 5).unwrap()), kept);
    assert_ne!(labels(&all.with_few_labels(8, 6).unwrap()), kept);
}

#[test]
fn a_choice_that_cannot_be_made_is_refused() {
    let refused = |labels: Vec<i32>, count| {
        let error = subset(labels).with_few_labels(count, 1).unwrap_err();
        error.to_string()
    };
    let error = refused((0..9).map(|i| i % 3).collect(), 2);
    assert_eq!(
        error,
        "`labels` is `2`, but must be at least 3, one for each class of the data"
    );
    let error = refused(vec![0, 0, 0, 1, 1, 1, 2, -1, -1], 6);
    let found = "takes 2 from each class, and of class `c` there are only 1";
    assert!(error.contains(found), "{error}");
    let plain = MemoryDataset::new(DataShape::new([1]).unwrap(), vec![0.0; 4]).unwrap();
    let plain = Subset::new(Arc::new(plain), vec![0, 1, 2, 3]).unwrap();
    let error = plain.with_few_labels(2, 1).unwrap_err().to_string();
    assert!(error.contains("no labels"), "{error}");
}

#[test]
fn where_labels_abound_batches_stay_as_they_are() {
    let plain = Batcher::new(partly(30, 60), 10, 1).unwrap().shuffled();
    let same = plain.clone().labelled_share(0.5);
    assert_eq!(epoch(&plain, 0, 0), epoch(&same, 0, 0));
    let none = Batcher::new(partly(0, 60), 10, 1).unwrap().shuffled();
    let same = none.clone().labelled_share(0.5);
    assert_eq!(epoch(&none, 0, 0), epoch(&same, 0, 0));
}

proptest! {
    /// Each batch begins with its share of labelled examples, all of which come up equally often but
    /// for one; each of the others comes up once.
    #[test]
    fn every_batch_has_its_labelled_examples(
        known in 1_usize..8, others in 20_usize..60, size in 4_usize..16, seed: u64,
    ) {
        let batcher = Batcher::new(partly(known, known + others), size, seed).unwrap();
        let batcher = batcher.shuffled().labelled_share(0.5);
        let share = (0.5 * size as f64).round() as usize;
        let batches = epoch(&batcher, 3, 0);
        prop_assert_eq!(batches.len(), batcher.batches_per_epoch());
        prop_assert_eq!(batches.iter().map(|b| b.len).sum::<usize>(), batcher.examples());
        let mut seen = vec![0; known + others];
        for (number, batch) in batches.iter().enumerate() {
            let labels = batch.labels.as_ref().unwrap();
            prop_assert!(labels[..share].iter().all(|label| *label >= 0));
            prop_assert!(labels[share..].iter().all(|label| *label == UNLABELLED));
            prop_assert!(batch.len == size || number + 1 == batches.len());
            batch.indices.iter().for_each(|i| seen[*i as usize] += 1);
        }
        prop_assert!(seen[known..].iter().all(|count| *count == 1));
        let known = &seen[..known];
        prop_assert!(known.iter().max().unwrap() - known.iter().min().unwrap() <= 1);
        prop_assert_eq!(&epoch(&batcher, 3, 1)[..], &batches[1..]);
    }
}
