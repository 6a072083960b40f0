//! Anomalies and samples of trained models.

use std::sync::Arc;

use vae_data::{Data, DataConfig, DataShape, MemoryDataset, NoProgress, Scale, Source};
use vae_variants::{
    Ae, Backend, Detector, Draw, Measure, Purpose, Recipe, Sampling, Trained, Variant,
};

use super::trained::{data, trained, vae};

fn scores(model: &Trained, detector: &Detector, data: &Data) -> Vec<f32> {
    let examples = model.examples_of_split(&data.test).unwrap();
    let batches = model.score(detector, &examples).unwrap();
    batches.flat_map(|batch| batch.unwrap().scores).collect()
}

fn codes(model: &Trained, split: &vae_data::Subset) -> Vec<[f64; 2]> {
    let examples = model.examples_of_split(split).unwrap();
    let batches = model.encode(&examples);
    let means: Vec<f32> = batches.flat_map(|batch| batch.unwrap().mean).collect();
    means
        .chunks(2)
        .map(|z| [f64::from(z[0]), f64::from(z[1])])
        .collect()
}

/// By hand, in two dimensions.
#[test]
fn distances_of_codes_are_those_of_the_training_codes() {
    let data = data();
    let model = trained(vae(), &data);
    let training = model.examples_of_split(&data.train).unwrap();
    let known = codes(&model, &data.train);
    let asked = codes(&model, &data.test);
    let n = known.len() as f64;
    let mean = [0, 1].map(|i| known.iter().map(|z| z[i]).sum::<f64>() / n);
    let moment = |i: usize, j: usize| {
        known
            .iter()
            .map(|z| (z[i] - mean[i]) * (z[j] - mean[j]))
            .sum::<f64>()
            / n
    };
    let [a, b, d] = [moment(0, 0), moment(0, 1), moment(1, 1)];
    let detector = model
        .fit_detector(&training, Measure::Mahalanobis, 1)
        .unwrap();
    for (found, z) in scores(&model, &detector, &data).into_iter().zip(&asked) {
        let [x, y] = [z[0] - mean[0], z[1] - mean[1]];
        let square = (d * x * x - 2.0 * b * x * y + a * y * y) / (a * d - b * b);
        assert!((f64::from(found) - square.sqrt()).abs() < 1e-3 * square.sqrt().max(1.0));
    }
    let detector = model
        .fit_detector(&training, Measure::Neighbours, 1)
        .unwrap();
    for (found, z) in scores(&model, &detector, &data).into_iter().zip(&asked) {
        let distance = |w: &[f64; 2]| (w[0] - z[0]).hypot(w[1] - z[1]);
        let mut all: Vec<f64> = known.iter().map(distance).collect();
        all.sort_by(f64::total_cmp);
        assert!(
            (f64::from(found) - all[4]).abs() < 1e-5,
            "{found}, not {}",
            all[4]
        );
    }
}

/// Alone, among others, and as one of very many: the noise that a likelihood is estimated with is the same.
#[test]
fn a_score_is_that_of_the_example_alone() {
    let data = data();
    for variant in ["vae", "hvae", "iwae"] {
        let variant: Variant =
            serde_json::from_str(&format!(r#"{{"name": "{variant}"}}"#)).unwrap();
        let model = trained(variant, &data);
        let training = model.examples_of_split(&data.train).unwrap();
        for measure in [Measure::Nll, Measure::Elbo, Measure::Combined] {
            let detector = model.fit_detector(&training, measure, 1).unwrap();
            let scores = |batch_size: usize, first: usize| -> Vec<f32> {
                let examples = model.examples_of_split(&data.train).unwrap().first(first);
                let batches = model
                    .score(&detector, &examples.batch_size(batch_size))
                    .unwrap();
                batches.flat_map(|batch| batch.unwrap().scores).collect()
            };
            let all = scores(512, 300);
            assert!(all.len() > 130, "{}", all.len());
            for (size, first) in [(1, 3), (7, 21), (130, 130)] {
                for (found, expected) in scores(size, first).iter().zip(&all) {
                    let close = (found - expected).abs() <= 1e-4 * expected.abs().max(1.0);
                    assert!(
                        close,
                        "{measure:?} in batches of {size}: {found}, not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_detector_is_read_as_it_was_written_and_belongs_to_its_model() {
    let data = data();
    let model = trained(vae(), &data);
    let training = model.examples_of_split(&data.train).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(Detector::FILE);
    for measure in Measure::ALL {
        let detector = model.fit_detector(&training, measure, 1).unwrap();
        let found = scores(&model, &detector, &data);
        assert!(found.iter().all(|score| score.is_finite()), "{measure:?}");
        let detector = detector.with_threshold(&found, 0.25, "tests").unwrap();
        let threshold = detector.threshold().unwrap().value;
        let above = found.iter().filter(|&&score| f64::from(score) >= threshold);
        assert!(above.count() <= found.len() / 4, "{measure:?}");
        detector.save(&path).unwrap();
        let again = Detector::load(&path).unwrap();
        assert_eq!(again.threshold(), detector.threshold());
        assert_eq!(scores(&model, &again, &data), found, "{measure:?}");
        let other = trained(Variant::from(Ae::default()), &data);
        let examples = other.examples_of_split(&data.test).unwrap();
        let error = other.score(&again, &examples).err().unwrap().to_string();
        assert!(error.contains("another model"), "{error}");
        assert!(again.with_threshold(&found, 1.5, "tests").is_err());
    }
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, 100, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let error = Detector::load(&path).unwrap_err().to_string();
        assert!(error.contains(Detector::FILE), "{error}");
    }
    let point = trained(Variant::from(Ae::default()), &data);
    let error = point.check_measure(Measure::Nll).unwrap_err().to_string();
    assert!(
        error.contains("ae") && error.contains("combined"),
        "{error}"
    );
}

/// A line in the plane: what is off it stands out, and its second number.
#[test]
fn what_is_off_a_line_stands_out() {
    let mut rows: Vec<f32> = (0..400)
        .flat_map(|i| {
            let x = (i as f32 * 0.37).sin();
            [
                x,
                2.0 * x + 0.02 * (i as f32 * 1.3).cos(),
                (i as f32 * 0.11).cos(),
            ]
        })
        .collect();
    rows[3 * 50 + 1] += 8.0;
    let set = MemoryDataset::new(DataShape::flat(3), rows).unwrap();
    let config = DataConfig {
        test: 0.0,
        validation: 0.0,
        scale: Scale::Standardize,
        ..DataConfig::default()
    };
    let data = Data::from_source(Source::new("line", Arc::new(set)), &config, 1).unwrap();
    let recipe = Recipe::of_purpose(Purpose::Anomalies, vae(), &data, 1).unwrap();
    let model = recipe.train(Backend::Flex, &mut ()).unwrap().model;
    let examples = model
        .examples_of_split(&data.train)
        .unwrap()
        .progress("", &NoProgress);
    let detector = model.fit_detector(&examples, Measure::Combined, 1).unwrap();
    let batches: Result<Vec<_>, _> = model.score(&detector, &examples).unwrap().collect();
    let batches = batches.unwrap();
    let scores: Vec<f32> = batches
        .iter()
        .flat_map(|batch| batch.scores.clone())
        .collect();
    let parts: Vec<f32> = batches
        .into_iter()
        .flat_map(|batch| batch.contributions)
        .collect();
    let most = (0..400).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    assert_eq!(most, Some(50));
    assert!(parts[3 * 50 + 1] > 0.5, "{:?}", &parts[150..153]);
    for row in parts.chunks(3) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }
}

/// The spread of codes follows the temperature; a mixture of codes has their mean; columns get their values.
#[test]
fn how_new_examples_are_drawn() {
    let data = data();
    let model = trained(vae(), &data);
    let spread = |temperature: f64| {
        let how = Sampling {
            temperature,
            ..model.sampling(3)
        };
        let codes = model.sample_codes(2000, &how).unwrap();
        (codes.iter().map(|z| f64::from(z * z)).sum::<f64>() / codes.len() as f64).sqrt()
    };
    assert!((spread(1.0) - 1.0).abs() < 0.05);
    assert!((spread(0.5) - 0.5 * spread(1.0)).abs() < 1e-6);
    assert_eq!(spread(0.0), 0.0);

    let point = trained(Variant::from(Ae::default()), &data);
    let error = point.sample(3, &[], 1).unwrap_err().to_string();
    assert!(error.contains("mixture"), "{error}");
    let examples = |split| point.examples_of_split(split).unwrap();
    let choice = point.fit_mixture(&examples(&data.train), &examples(&data.validation), 1);
    let how = Sampling {
        mixture: Some(Arc::new(choice.unwrap().mixture)),
        ..point.sampling(1)
    };
    let drawn = point.sample_codes(5000, &how).unwrap();
    let known = codes(&point, &data.train);
    for i in 0..2 {
        let mean = drawn
            .iter()
            .skip(i)
            .step_by(2)
            .map(|&z| f64::from(z))
            .sum::<f64>()
            / 5000.0;
        let expected = known.iter().map(|z| z[i]).sum::<f64>() / known.len() as f64;
        let deviation =
            known.iter().map(|z| (z[i] - expected).powi(2)).sum::<f64>() / known.len() as f64;
        assert!(
            (mean - expected).abs() < 0.15 * deviation.sqrt(),
            "{mean}, not {expected}"
        );
    }

    let how = Sampling {
        draw: Draw::Sample,
        matches_columns: true,
        ..model.sampling(1)
    };
    let rows = model.sample_with(3000, &[], &how).unwrap();
    for (column, marginal) in model.description().marginals.iter().enumerate() {
        let mut values: Vec<f32> = rows.iter().skip(column).step_by(3).copied().collect();
        values.sort_by(f32::total_cmp);
        let middle = values[1500];
        let expected = marginal.as_ref().unwrap();
        let (low, high) = (expected.at(0.45), expected.at(0.55));
        assert!(
            (low..=high).contains(&middle),
            "{middle} of {low} to {high}"
        );
    }
}
