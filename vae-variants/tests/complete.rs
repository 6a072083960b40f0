//! Completion of what is missing, by trained models.

use std::sync::{Arc, atomic::AtomicBool};

use vae_core::Error;
use vae_data::{ColumnKind, Data, DataConfig, DataShape, Dataset, MemoryDataset, Source};
use vae_variants::{
    Backend, Completing, Completion, Completions, Cvae, Draw, Trained, Vae, Variant,
};

use super::trained::{COLUMNS, ROWS, data, recipe, trained, vae, values};

/// The rows of the table that models are trained on; those of which `is_gap(row, column)` is true are missing.
fn with_gaps(is_gap: impl Fn(usize, usize) -> bool) -> MemoryDataset {
    let mut rows = values();
    for (at, value) in rows.iter_mut().enumerate() {
        if is_gap(at / 3, at % 3) {
            *value = f32::NAN;
        }
    }
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    MemoryDataset::new(DataShape::flat(3), rows)
        .unwrap()
        .with_columns(COLUMNS.map(str::to_owned).to_vec())
        .unwrap()
        .with_kinds(vec![ColumnKind::Number; 3])
        .unwrap()
        .with_labels(classes, (0..ROWS).map(|i| (i % 3) as i32).collect())
        .unwrap()
}

fn all(model: &Trained, of: impl Dataset + 'static, how: &Completion) -> Completions {
    let indices = (0..of.len() as u32).collect();
    let examples = model.examples_with_gaps(Arc::new(of), indices).unwrap();
    let mut all = Completions::default();
    for batch in model.complete(&examples, how).unwrap() {
        let batch = batch.unwrap();
        all.given.extend(batch.given);
        all.missing.extend(batch.missing);
        all.completed.resize(batch.completed.len(), Vec::new());
        for (all, more) in all.completed.iter_mut().zip(batch.completed) {
            all.extend(more);
        }
    }
    all
}

/// Every variant was trained without gaps and fills them; what is given stays to the last bit; who cannot draw or
/// correct says who can.
#[test]
fn every_variant_completes_or_says_who_can() {
    let data = data();
    let is_gap = |row: usize, column: usize| (row + column).is_multiple_of(4);
    for variant in Variant::all() {
        let name = variant.info().name;
        let model = trained(variant, &data);
        let steps = Some(6);
        let how = Completion {
            steps,
            ..Completion::default()
        };
        let found = all(&model, with_gaps(is_gap), &how);
        let original = values();
        assert_eq!(found.completed.len(), 1, "{name}");
        for (at, value) in found.completed[0].iter().enumerate() {
            assert_eq!(found.missing[at], is_gap(at / 3, at % 3), "{name}");
            match found.missing[at] {
                true => assert!(value.is_finite() && found.given[at].is_nan(), "{name}"),
                false => assert_eq!(value.to_bits(), original[at].to_bits(), "{name}"),
            }
        }

        let draws = Completion {
            steps,
            chains: Some(3),
            draw: Draw::Sample,
            ..Completion::default()
        };
        let examples = model
            .examples_with_gaps(Arc::new(with_gaps(is_gap)), vec![0, 1, 2, 3])
            .unwrap();
        let is_drawn = ["ae", "dae", "sparse", "contractive", "vq"].contains(&name);
        match model.complete(&examples, &draws) {
            Err(error) => assert!(
                is_drawn && error.to_string().contains("--draw mean"),
                "{error}"
            ),
            Ok(mut batches) => {
                assert!(!is_drawn, "{name}");
                let batch = batches.next().unwrap().unwrap();
                assert_eq!(batch.completed.len(), 3, "{name}");
                let spread = batch.spread();
                for (spread, missing) in spread.iter().zip(&batch.missing) {
                    assert_eq!(*spread > 0.0, *missing, "{name}: {spread}");
                }
            }
        }

        let has_posterior = !is_drawn && name != "hvae";
        match model.can_complete_by(Completing::Metropolis) {
            Ok(()) => assert!(has_posterior, "{name}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!has_posterior, "{error}");
                for part in [name, "vae, beta, cvae, iwae, vaegan, semi", "gibbs"] {
                    assert!(error.contains(part), "no {part} in {error}");
                }
            }
        }
        let error = model.can_complete_by(Completing::Importance).unwrap_err();
        assert!(error.to_string().contains("per-column"), "{error}");
    }
}

/// Of `length = 100 + 30 t`, `width = 0.01 (class - t)` and `mass = 5000 class + 100 t` each is known from the
/// other two: what is found is nearer than the mean of the column, by every method.
#[test]
fn what_is_missing_is_found_from_what_is_there() {
    let data = data();
    let model = recipe(vae(), &data, 150).train(Backend::Flex, &mut ());
    let model = model.unwrap().model;
    let original = values();
    let mean = |column: usize| {
        let of = original.iter().skip(column).step_by(3);
        of.map(|&value| f64::from(value)).sum::<f64>() / ROWS as f64
    };
    let is_gap = |row: usize, column: usize| row % 3 == column;
    for method in [Completing::Gibbs, Completing::Metropolis] {
        let how = Completion {
            method: Some(method),
            ..Completion::default()
        };
        let found = all(&model, with_gaps(is_gap), &how);
        let again = all(&model, with_gaps(is_gap), &how);
        assert_eq!(found.completed, again.completed, "{method}");
        for column in 0..3 {
            let gaps = (0..ROWS).filter(|row| is_gap(*row, column));
            let (mut ours, mut means) = (0.0, 0.0);
            for row in gaps {
                let at = row * 3 + column;
                let truth = f64::from(original[at]);
                ours += (f64::from(found.completed[0][at]) - truth).powi(2);
                means += (mean(column) - truth).powi(2);
            }
            let factor = (ours / means).sqrt();
            assert!(factor < 0.6, "{method}, column {column}: {factor}");
        }
    }
}

const COLORS: [&str; 3] = ["red", "green", "blue"];

/// A number, and a color that it says; the color of every fifth row is missing, and the number of each after it.
fn colored() -> MemoryDataset {
    let row = |i: usize| {
        let color = (i * 7 % 3) as f32;
        let number = 10.0 * color + (i as f32).sin();
        match i % 5 {
            0 => [number, f32::NAN],
            1 => [f32::NAN, color],
            _ => [number, color],
        }
    };
    let levels = COLORS.map(str::to_owned).to_vec();
    let kinds = vec![ColumnKind::Number, ColumnKind::Category { levels }];
    MemoryDataset::new(DataShape::flat(2), (0..ROWS).flat_map(row).collect())
        .unwrap()
        .with_columns(vec!["size".into(), "color".into()])
        .unwrap()
        .with_kinds(kinds)
        .unwrap()
}

/// Trained with gaps: levels are found, and numbers near their color's, by every method.
#[test]
fn a_table_with_gaps_is_completed() {
    let source = Source::new("colored", Arc::new(colored()));
    let data = Data::from_source(source, &DataConfig::default(), 1).unwrap();
    let model = recipe(vae(), &data, 150).train(Backend::Flex, &mut ());
    let model = model.unwrap().model;
    assert_eq!(model.completes_by(), Completing::Importance);
    for method in Completing::ALL {
        let how = Completion {
            method: Some(method),
            ..Completion::default()
        };
        let found = all(&model, colored(), &how);
        let rows = found.completed[0].chunks(2).zip(found.missing.chunks(2));
        let (mut right, mut apart, mut gaps) = (0, 0.0, 0);
        for (i, (row, missing)) in rows.enumerate() {
            let color = i * 7 % 3;
            let level = model.description().text(1, row[1]);
            if missing[1] {
                gaps += 1;
                right += usize::from(level == COLORS[color]);
            } else {
                assert_eq!(level, COLORS[color], "{method}");
            }
            if missing[0] {
                apart += (row[0] - 10.0 * color as f32).abs();
            }
        }
        assert!(right * 10 >= gaps * 9, "{method}: {right} of {gaps}");
        assert!(
            apart / (gaps as f32) < 3.0,
            "{method}: {}",
            apart / gaps as f32
        );
    }
}

/// All but the class is missing of a table in which the mass is 5000 times the class.
#[test]
fn a_conditional_model_uses_the_class() {
    let data = data();
    let variant = Variant::Cvae(Cvae::default());
    let model = recipe(variant, &data, 100).train(Backend::Flex, &mut ());
    let model = model.unwrap().model;
    let how = Completion {
        chains: Some(4),
        ..Completion::default()
    };
    let found = all(&model, with_gaps(|row, _| row < 6), &how);
    for row in 0..6 {
        let (mass, class) = (found.completed[0][row * 3 + 2], row % 3);
        assert!(
            (mass - 5000.0 * class as f32).abs() < 1500.0,
            "{row}: {mass}"
        );
    }
}

/// What is hidden is not looked at, and given again; rows without gaps come back as they were.
#[test]
fn hidden_values_are_not_looked_at() {
    let data = data();
    let model = trained(Variant::Vae(Vae::default()), &data);
    let how = Completion {
        hidden: Some(vec![false, true, false]),
        steps: Some(4),
        ..Completion::default()
    };
    let found = all(&model, with_gaps(|_, _| false), &how);
    let of_gaps = all(
        &model,
        with_gaps(|_, column| column == 1),
        &Completion {
            hidden: None,
            ..how.clone()
        },
    );
    assert_eq!(found.completed, of_gaps.completed);
    assert_eq!(found.given, values());
    let whole = all(&model, with_gaps(|_, _| false), &Completion::default());
    assert_eq!(whole.completed[0], values());
}

#[test]
fn bad_numbers_and_chains_are_refused() {
    let data = data();
    let model = trained(vae(), &data);
    let table = || Arc::new(with_gaps(|_, column| column == 1));
    let examples = model.examples_with_gaps(table(), vec![0]).unwrap();
    for (how, key) in [
        (
            Completion {
                steps: Some(0),
                ..Completion::default()
            },
            "steps",
        ),
        (
            Completion {
                chains: Some(0),
                ..Completion::default()
            },
            "chains",
        ),
        (
            Completion {
                hidden: Some(vec![true]),
                ..Completion::default()
            },
            "hidden",
        ),
    ] {
        let error = model.complete(&examples, &how).err().unwrap().to_string();
        assert!(error.contains(key), "{error}");
    }
    // Without a word on gaps, they are an error.
    let examples = model.examples(table()).unwrap();
    let refused = model.complete(&examples, &Completion::default()).unwrap();
    assert!(refused.collect::<Result<Vec<_>, _>>().is_err());

    let stop = AtomicBool::new(true);
    let examples = model.examples_with_gaps(table(), vec![0]).unwrap();
    let examples = examples.stop(&stop);
    let mut batches = model.complete(&examples, &Completion::default()).unwrap();
    assert!(matches!(batches.next(), Some(Err(Error::Stopped))));
}
