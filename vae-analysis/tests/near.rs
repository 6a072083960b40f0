//! What holds for neighbours, the index, probes, components and maps.

mod common;

use std::ops::ControlFlow::{Break, Continue};

use common::blobs;
use proptest::prelude::*;
use vae_analysis::*;

const FOUR: [&[f32]; 4] = [
    &[0.0, 0.0, 0.0, 0.0, 0.0],
    &[9.0, 0.0, 0.0, 0.0, 0.0],
    &[0.0, 9.0, 0.0, 0.0, 3.0],
    &[0.0, 0.0, 9.0, -4.0, 0.0],
];

fn index_of(values: &[f32], width: usize) -> Index {
    let rows = Rows::new(values, width).unwrap();
    let ids: Vec<u64> = (0..rows.count() as u64).map(|i| 1000 + i).collect();
    let mut index = Index::new(width, IndexOptions::default()).unwrap();
    index.add(rows, &ids).unwrap();
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn neighbours_are_those_of_sorting(seed in 0_u64..1000, count in 1_usize..60, k in 1_usize..9, width in 1_usize..15) {
        let centre = vec![100.0; width];
        let (values, _) = blobs(count, &[&centre], 1.0, seed);
        let rows = Rows::new(&values, width).unwrap();
        let found = nearest(rows, rows, k).unwrap();
        prop_assert_eq!(found.k(), k.min(count));
        for (query, row) in rows.iter().enumerate() {
            let distance = |other: &[f32]| -> f64 {
                row.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
            };
            let mut wanted: Vec<f64> = rows.iter().map(distance).collect();
            wanted.sort_by(f64::total_cmp);
            for (found, wanted) in found.distances(query).iter().zip(wanted) {
                prop_assert!((f64::from(*found) - wanted).abs() < 1e-4, "{} and {}", found, wanted);
            }
        }
    }

    #[test]
    fn an_index_finds_nearly_all(seed in 0_u64..1000, spread in 0.1_f32..5.0) {
        let (values, _) = blobs(1500, &FOUR, spread, seed);
        let (queries, _) = blobs(50, &FOUR, spread, seed + 1);
        let recall = index_of(&values, 5).recall(Rows::new(&queries, 5).unwrap(), 10).unwrap();
        prop_assert!(recall > 0.97, "{recall}");
    }

    #[test]
    fn auroc_does_not_change_under_monotone_maps(
        rows in prop::collection::vec((-20_i32..20, any::<bool>()), 2..80)
    ) {
        let positive: Vec<bool> = rows.iter().map(|r| r.1).collect();
        prop_assume!(positive.contains(&true) && positive.contains(&false));
        let area = |map: &dyn Fn(f64) -> f64| {
            let scores: Vec<f64> = rows.iter().map(|r| map(f64::from(r.0))).collect();
            auroc(&scores, &positive).unwrap()
        };
        let plain = area(&|x| x);
        prop_assert_eq!(plain, area(&|x| x * x * x));
        prop_assert_eq!(plain, area(&|x| (x / 10.0).exp()));
        prop_assert!((plain + area(&|x| -x) - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_row_is_not_among_its_others() {
    let values = [0.0, 1.0, 1.0, 1.0, 5.0];
    let rows = Rows::new(&values, 1).unwrap();
    let others = nearest_others(rows, 2).unwrap();
    assert_eq!(others.indices(1), [2, 3]);
    assert_eq!(others.indices(0), [1, 2]);
    assert_eq!(others.distances(4), [4.0, 4.0]);
    assert_eq!(nearest_others(rows, 50).unwrap().k(), 4);
    assert!(nearest_others(Rows::new(&[1.0], 1).unwrap(), 1).is_err());
}

/// By hand: the three nearest of 0.9 are 1 (b), 0 (a) and 2 (a); the two nearest tie, and the nearer is b.
#[test]
fn neighbours_vote() {
    let train = [0.0, 1.0, 2.0, 30.0];
    let train = (Rows::new(&train, 1).unwrap(), [0, 1, 0, 1].as_slice());
    let query = Rows::new(&[0.9], 1).unwrap();
    assert_eq!(knn_accuracy(train, (query, &[0]), 3).unwrap().correct, 1);
    assert_eq!(knn_accuracy(train, (query, &[1]), 2).unwrap().correct, 1);
}

#[test]
fn an_index_is_the_same_however_it_grew_and_after_loading() {
    let (values, _) = blobs(700, &FOUR, 1.0, 3);
    let whole = index_of(&values, 5);
    let mut grown = index_of(&values[..5 * 200], 5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes.index");
    grown.save(&path).unwrap();
    grown = Index::load(&path).unwrap();
    let ids: Vec<u64> = (200..700).map(|i| 1000 + i).collect();
    for (rows, ids) in Rows::new(&values[5 * 200..], 5)
        .unwrap()
        .blocks(77)
        .zip(ids.chunks(77))
    {
        grown.add(rows, ids).unwrap();
    }
    assert!(grown == whole);
    let found = grown.search(&values[5 * 450..5 * 451], 1).unwrap();
    assert_eq!(
        found,
        [Found {
            id: 1450,
            distance: 0.0
        }]
    );
}

#[test]
fn a_missing_or_foreign_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes.index");
    assert!(matches!(Index::load(&path), Err(Error::Read { .. })));
    std::fs::write(&path, "something else").unwrap();
    let error = Index::load(&path).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    let nowhere = folder.path().join("none/codes.index");
    let error = index_of(&[1.0, 2.0], 1).save(&nowhere).unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error}");
}

#[test]
fn equal_vectors_are_all_found() {
    let index = index_of(&[2.0; 300 * 3], 3);
    let found = index.search(&[2.0; 3], 40).unwrap();
    assert_eq!(found.len(), 40);
    assert!(found.iter().all(|f| f.distance == 0.0));
    assert_eq!(index_of(&[1.0, 5.0], 1).search(&[4.0], 9).unwrap().len(), 2);
    assert_eq!(
        Index::new(3, IndexOptions::default())
            .unwrap()
            .search(&[2.0; 3], 4)
            .unwrap(),
        []
    );
    assert!(index.search(&[2.0; 2], 4).is_err());
    assert!(index.search(&[f32::NAN; 3], 4).is_err());
}

#[test]
fn a_probe_reads_out_what_is_linear() {
    let ((train, labels), (test, test_labels)) =
        (blobs(400, &FOUR, 1.0, 1), blobs(400, &FOUR, 1.0, 2));
    let (train, test) = (Rows::new(&train, 5).unwrap(), Rows::new(&test, 5).unwrap());
    let probe = Probe::fit(train, &labels, ProbeOptions::default()).unwrap();
    assert!(probe.converged());
    let accuracy = probe.accuracy(test, &test_labels).unwrap();
    assert!(
        accuracy.value > 0.99 && accuracy.low < accuracy.value,
        "{accuracy:?}"
    );
    let one_class = Probe::fit(train, &[0; 400], ProbeOptions::default()).unwrap();
    assert_eq!(one_class.accuracy(test, &[0; 400]).unwrap().value, 1.0);
    assert!(Probe::fit(train, &labels[1..], ProbeOptions::default()).is_err());
}

#[test]
fn all_components_give_the_rows_back() {
    let (values, _) = blobs(60, &FOUR, 1.0, 1);
    let rows = Rows::new(&values, 5).unwrap();
    let pca = Pca::fit(rows, 99).unwrap();
    let coordinates = pca.transform(rows).unwrap();
    let back = pca.inverse(Rows::new(&coordinates, 5).unwrap()).unwrap();
    for (a, b) in values.iter().zip(back) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
    assert!((pca.explained_ratio().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let same = Rows::new(&[4.0; 12], 3).unwrap();
    assert_eq!(
        Pca::fit(same, 2).unwrap().transform(same).unwrap(),
        [0.0; 8]
    );
}

#[test]
fn maps_keep_groups_apart() {
    let (values, labels) = blobs(240, &FOUR, 1.0, 1);
    let rows = Rows::new(&values, 5).unwrap();
    let options = TsneOptions {
        epochs: 400,
        ..TsneOptions::default()
    };
    let mut steps = 0;
    let map = tsne(rows, options, |done| {
        steps = done;
        Continue(())
    })
    .unwrap();
    assert_eq!(steps, 400);
    let mut steps = 0;
    let stopped = tsne(rows, options, |done| {
        steps = done;
        if done < 3 { Continue(()) } else { Break(()) }
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(steps, 3, "nothing is done after that");
    assert_eq!(
        map,
        tsne(rows, options, |_| Continue(())).unwrap(),
        "nothing is random"
    );
    for map in [map, pca_map(rows).unwrap()] {
        let flat = map.concat();
        let near = nearest_others(Rows::new(&flat, 2).unwrap(), 1).unwrap();
        let same = (0..240)
            .filter(|i| labels[near.indices(*i)[0] as usize] == labels[*i])
            .count();
        assert!(same > 230, "{same} of 240 are nearest to one of their own");
    }
}

#[test]
fn maps_of_few_or_equal_rows_are_finite() {
    let options = TsneOptions {
        epochs: 300,
        ..TsneOptions::default()
    };
    for values in [
        vec![1.0, 2.0, 4.0, 8.0],
        vec![3.0; 60],
        (0..400).map(|i| (i / 100) as f32).collect(),
    ] {
        let map = tsne(Rows::new(&values, 1).unwrap(), options, |_| Continue(())).unwrap();
        assert_eq!(map.len(), values.len());
        assert!(map.iter().flatten().all(|v| v.is_finite()), "{map:?}");
    }
    let (wide, _) = blobs(30, &[&[0.5; 80]], 1.0, 1);
    assert_eq!(
        tsne(Rows::new(&wide, 80).unwrap(), options, |_| Continue(()))
            .unwrap()
            .len(),
        30
    );
    assert!(tsne(Rows::new(&[1.0; 3], 1).unwrap(), options, |_| Continue(())).is_err());
}
