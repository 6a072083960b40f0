use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{MemoryDataset, NoProgress};

fn config(validation: f64, test: f64, limit: Option<usize>) -> DataConfig {
    DataConfig {
        validation,
        test,
        limit,
        ..DataConfig::default()
    }
}

/// `n` examples of two features: the index, and 5.
fn source(n: usize, image: bool) -> Source {
    let shape = if image { vec![1, 1, 2] } else { vec![2] };
    let values = (0..n).flat_map(|i| [i as f32, 5.0]).collect();
    let data = MemoryDataset::new(DataShape::new(shape).unwrap(), values).unwrap();
    Source::new("numbers", Arc::new(data))
}

#[test]
fn sizes_are_as_computed_by_hand() {
    let sizes = |n, official, c: &DataConfig| {
        let split = Split::new(n, official, c, 1).unwrap();
        [split.train.len(), split.validation.len(), split.test.len()]
    };
    let tenths = config(0.1, 0.1, None);
    assert_eq!(sizes(1000, None, &tenths), [810, 90, 100]);
    assert_eq!(sizes(1000, Some(50), &tenths), [900, 100, 50]);
    assert_eq!(sizes(10, None, &config(0.0, 0.0, None)), [10, 0, 0]);
    assert_eq!(
        sizes(1000, Some(50), &config(0.1, 0.1, Some(64))),
        [64, 100, 50]
    );
    assert_eq!(sizes(10, None, &config(0.0, 0.5, Some(64))), [5, 0, 5]);
}

#[test]
fn something_must_be_left_to_train_on() {
    let error = Split::new(2, None, &config(0.5, 0.5, None), 0).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("of 2 examples, 1 are for testing and 1")
    );
    assert!(Split::new(0, Some(3), &config(0.0, 0.0, None), 0).is_err());
}

#[test]
fn images_stay_as_they_are_and_tables_are_standardised() {
    let with = |image, scale| {
        let config = DataConfig {
            scale,
            ..config(0.0, 0.0, None)
        };
        let data = Data::from_source(source(3, image), &config, 0).unwrap();
        let mut row = [0.0; 2];
        data.train.read(2, &mut row).unwrap();
        (data.scaler.is_some(), row)
    };
    assert_eq!(with(true, Scale::Auto), (false, [2.0, 5.0]));
    assert_eq!(with(false, Scale::None), (false, [2.0, 5.0]));
    assert_eq!(with(true, Scale::MinMax), (true, [1.0, 0.0]));
    let (scaled, [first, _]) = with(false, Scale::Auto);
    // (2 - 1) / sqrt(2/3)
    assert!(scaled && (first - 1.224_744_9).abs() < 1e-6);
}

#[test]
fn the_scale_of_a_model_can_be_used_again() {
    let data = Data::from_source(source(3, false), &config(0.0, 0.0, None), 0).unwrap();
    let scaler = |features: usize| Scaler {
        kind: Scale::MinMax,
        offset: vec![1.0; features],
        scale: vec![2.0; features],
    };
    assert!(data.clone().rescaled(Some(scaler(3)), None).is_err());
    let data = data.rescaled(Some(scaler(2)), None).unwrap();
    let mut row = [0.0; 2];
    data.train.read(2, &mut row).unwrap();
    assert_eq!(row, [0.5, 2.0]);
    assert_eq!(data.scaler.as_deref(), Some(&scaler(2)));
}

#[test]
fn binarize_needs_values_between_0_and_1() {
    let try_it = |scale, image| {
        let config = DataConfig {
            binarize: Binarize::Static,
            scale,
            ..config(0.0, 0.0, None)
        };
        Data::from_source(source(20, image), &config, 0)
    };
    try_it(Scale::MinMax, true).unwrap();
    let error = try_it(Scale::Auto, true).unwrap_err().to_string();
    assert!(error.contains("reach from 0 to 19"), "{error}");
    assert!(try_it(Scale::Auto, false).is_err());
}

#[test]
fn faults_of_a_source_are_named() {
    let shape = DataShape::new([2]).unwrap();
    let mut values = vec![0.0; 20];
    values[13] = f32::NAN;
    let data = MemoryDataset::new(shape, values).unwrap();
    let broken = Source::new("broken", Arc::new(data));
    let error = Data::from_source(broken.clone(), &config(0.0, 0.0, Some(10)), 0).unwrap_err();
    assert!(
        error.to_string().starts_with("example 6, feature 1 is NaN"),
        "{error}"
    );
    let unscaled = DataConfig {
        scale: Scale::None,
        ..DataConfig::default()
    };
    let data = Data::from_source(broken, &unscaled, 0).unwrap();
    assert!(
        data.range()
            .unwrap_err()
            .to_string()
            .contains("example 6, feature 1")
    );

    let mut differing = source(9, true);
    differing.test = Some(source(9, false).train);
    let error = Data::from_source(differing, &DataConfig::default(), 0).unwrap_err();
    assert!(error.to_string().contains("of shape 1x1x2"), "{error}");
}

#[test]
fn options_without_use_are_refused() {
    let refused = |change: fn(&mut DataConfig)| {
        let mut config = DataConfig::default();
        change(&mut config);
        load(&config, 0, &NoProgress).unwrap_err().to_string()
    };
    assert!(refused(|c| c.label = Some("x".into())).starts_with("`label` is `x`"));
    let tables = "only a CSV file, a TSV file or a Parquet file has a use for it: leave it out";
    assert!(refused(|c| c.label = Some("x".into())).contains(tables));
    assert!(refused(|c| c.condition = vec!["x".into()]).starts_with("`condition`"));
    assert!(refused(|c| c.image_size = "8".parse().ok()).starts_with("`image_size` is `8x8`"));
    assert!(refused(|c| c.skip_bad = true).contains("images (a file or a folder)"));
    assert!(refused(|c| c.color = crate::Color::Rgb).contains("images (a file or a folder)"));
}

proptest! {
    #[test]
    fn splits_are_disjoint_and_cover_everything(
        n in 1_usize..300, validation in 0.0_f64..0.9, test in 0.0_f64..0.9, seed: u64,
    ) {
        let config = config(validation, test, None);
        if let Ok(split) = Split::new(n, None, &config, seed) {
            let parts = [&split.train, &split.validation, &split.test];
            let all: BTreeSet<u32> = parts.into_iter().flatten().copied().collect();
            prop_assert_eq!(parts.iter().map(|p| p.len()).sum::<usize>(), n);
            prop_assert!(all.into_iter().eq(0..n as u32));
            prop_assert!(!split.train.is_empty());
            prop_assert_eq!(&split, &Split::new(n, None, &config, seed).unwrap());
        }
    }

    #[test]
    fn a_limit_takes_from_the_training_split_only(limit in 1_usize..80, seed: u64) {
        let whole = Split::new(100, None, &config(0.1, 0.1, None), seed).unwrap();
        let some = Split::new(100, None, &config(0.1, 0.1, Some(limit)), seed).unwrap();
        prop_assert_eq!(some.train.len(), limit);
        prop_assert!(some.train.iter().all(|i| whole.train.contains(i)));
        prop_assert_eq!(some.validation, whole.validation);
        prop_assert_eq!(some.test, whole.test);
    }
}
