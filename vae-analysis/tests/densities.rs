//! What holds for Gaussians and mixtures.

mod common;

use common::blobs;
use ndarray::{Array1, Array2};
use proptest::prelude::*;
use vae_analysis::*;

const THREE: [&[f32]; 3] = [&[0.0, 0.0], &[6.0, 1.0], &[-3.0, 7.0]];

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// x -> A x + b, with A upper triangular and without zeros on its diagonal.
    #[test]
    fn mahalanobis_distance_does_not_change_under_affine_maps(
        seed in 0_u64..1000,
        diagonal in prop::array::uniform3(0.5_f32..2.0),
        upper in prop::array::uniform3(-1.0_f32..1.0),
        shift in prop::array::uniform3(-20.0_f32..20.0),
    ) {
        let (values, _) = blobs(40, &[&[1.0, -2.0, 0.5]], 1.0, seed);
        let mapped: Vec<f32> = values.chunks(3).flat_map(|x| [
            diagonal[0] * x[0] + upper[0] * x[1] + upper[1] * x[2] + shift[0],
            diagonal[1] * x[1] + upper[2] * x[2] + shift[1],
            diagonal[2] * x[2] + shift[2],
        ]).collect();
        let distances = |values: &[f32]| {
            let rows = Rows::new(values, 3).unwrap();
            Gaussian::fit(rows, 0.0).unwrap().distances(rows).unwrap()
        };
        for (a, b) in distances(&values).iter().zip(distances(&mapped)) {
            prop_assert!((a - b).abs() < 1e-3 * (1.0 + a), "{a} and {b}");
        }
    }
}

/// Distances of the rows that a Gaussian was fitted to have the mean `width`: the trace of C^-1 C.
#[test]
fn distances_of_the_fitted_rows_have_the_width_as_mean() {
    let (values, _) = blobs(500, &[&[1.0, 2.0, 3.0, 4.0]], 2.0, 3);
    let rows = Rows::new(&values, 4).unwrap();
    let distances = Gaussian::fit(rows, 0.0).unwrap().distances(rows).unwrap();
    assert!(
        (mean(&distances) - 4.0).abs() < 1e-9,
        "{}",
        mean(&distances)
    );
}

/// By hand: of 1, 2, 3 the variance is 2 / 3; their mean is far from zero.
#[test]
fn moments_keep_their_digits_far_from_zero() {
    let mut moments = Moments::new(1).unwrap();
    for i in 0..3000 {
        moments.add(&[1e6 + (i % 3) as f32 + 1.0]);
    }
    assert_eq!(moments.count(), 3000);
    assert!((moments.mean()[0] - 1_000_002.0).abs() < 1e-9);
    assert!((moments.covariance()[[0, 0]] - 2.0 / 3.0).abs() < 1e-9);
}

#[test]
fn constant_columns_and_single_rows_have_a_gaussian() {
    let (mut values, _) = blobs(50, &[&[0.0, 3.0, 0.0]], 1.0, 3);
    values.iter_mut().skip(1).step_by(3).for_each(|v| *v = 3.0);
    let rows = Rows::new(&values, 3).unwrap();
    let distances = Gaussian::fit(rows, 0.0).unwrap().distances(rows).unwrap();
    assert!(distances.iter().all(|d| d.is_finite()), "{distances:?}");
    let one = Rows::new(&values[..3], 3).unwrap();
    assert_eq!(
        Gaussian::fit(one, 0.0).unwrap().distances(one).unwrap(),
        [0.0]
    );
}

#[test]
fn a_trimmed_fit_is_not_led_astray() {
    let (mut values, _) = blobs(400, &[&[1.0, 1.0]], 1.0, 5);
    let (far, _) = blobs(60, &[&[30.0, -30.0]], 1.0, 6);
    values.extend(far);
    let rows = Rows::new(&values, 2).unwrap();
    let plain = Gaussian::fit(rows, 0.0).unwrap();
    let trimmed = Gaussian::fit_trimmed(rows, 0.8, 5, 0.0).unwrap();
    assert!((plain.mean()[0] - 1.0).abs() > 3.0, "{}", plain.mean());
    assert!((trimmed.mean()[0] - 1.0).abs() < 0.2, "{}", trimmed.mean());
    assert!(Gaussian::fit_trimmed(rows, 0.4, 5, 0.0).is_err());
}

/// By a grid of squares of 0.1 that holds all but a billionth.
#[test]
fn a_density_integrates_to_one() {
    let (values, _) = blobs(600, &THREE, 0.8, 1);
    let mixture = Mixture::fit(Rows::new(&values, 2).unwrap(), 3, 1).unwrap();
    let grid: Vec<f32> = (0..250)
        .flat_map(|y| (0..250).flat_map(move |x| [x as f32 * 0.1 - 12.0, y as f32 * 0.1 - 10.0]))
        .collect();
    let log_prob = mixture.log_prob(Rows::new(&grid, 2).unwrap()).unwrap();
    let whole: f64 = log_prob.iter().map(|v| v.exp() * 0.01).sum();
    assert!((whole - 1.0).abs() < 1e-6, "{whole}");
}

#[test]
fn one_component_is_the_gaussian_of_the_rows() {
    let (values, _) = blobs(200, &THREE, 1.0, 1);
    let rows = Rows::new(&values, 2).unwrap();
    let mixture = Mixture::fit(rows, 1, 1).unwrap();
    let gaussian = Gaussian::fit(rows, 0.0).unwrap();
    let (a, b) = (
        mixture.log_prob(rows).unwrap(),
        gaussian.log_prob(rows).unwrap(),
    );
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
}

#[test]
fn validation_chooses_the_true_number_of_components() {
    let ((train, _), (validation, _)) = (blobs(900, &THREE, 0.7, 1), blobs(900, &THREE, 0.7, 2));
    let (train, validation) = (
        Rows::new(&train, 2).unwrap(),
        Rows::new(&validation, 2).unwrap(),
    );
    let choice = Mixture::choose(train, validation, &[1, 2, 3, 20], 1).unwrap();
    assert_eq!(
        choice.mixture.components().len(),
        3,
        "{:?}",
        choice.candidates
    );
    assert!(Mixture::choose(train, validation, &[], 1).is_err());
    assert!(Mixture::choose(train, validation, &[0], 1).is_err());
}

#[test]
fn samples_have_the_moments_of_the_mixture() {
    let (values, _) = blobs(600, &THREE, 0.8, 1);
    let rows = Rows::new(&values, 2).unwrap();
    let mixture = Mixture::fit(rows, 3, 1).unwrap();
    let sample = mixture.sample(20_000, 1.0, 5);
    assert_eq!(sample, mixture.sample(20_000, 1.0, 5));
    assert_ne!(sample, mixture.sample(20_000, 1.0, 6));
    let moments = |values: &[f32]| Gaussian::fit(Rows::new(values, 2).unwrap(), 0.0).unwrap();
    let (wanted, found) = (moments(&values), moments(&sample));
    for (a, b) in wanted.mean().iter().zip(found.mean()) {
        assert!((a - b).abs() < 0.1, "{a} and {b}");
    }
    for (a, b) in wanted.covariance().iter().zip(&found.covariance()) {
        assert!((a - b).abs() < 0.5, "{a} and {b}");
    }
}

#[test]
fn few_rows_make_few_components() {
    let components = |values: &[f32], width, asked| {
        let rows = Rows::new(values, width).unwrap();
        let mixture = Mixture::fit(rows, asked, 1).unwrap();
        let log_prob = mixture.log_prob(rows).unwrap();
        assert!(log_prob.iter().all(|v| v.is_finite()), "{log_prob:?}");
        mixture.components().len()
    };
    assert_eq!(components(&[1.0, 2.0], 2, 5), 1);
    assert_eq!(components(&[3.0; 40], 2, 5), 1, "all rows are the same");
    assert!(components(&blobs(12, &THREE, 0.5, 1).0, 2, 50) <= 4);
    assert!(Mixture::fit(Rows::new(&[], 2).unwrap(), 1, 1).is_err());
    let (mut constant, _) = blobs(90, &THREE, 0.5, 1);
    constant.iter_mut().step_by(2).for_each(|v| *v = 1e5);
    components(&constant, 2, 3);
}

#[test]
fn the_number_of_threads_does_not_show() {
    let (values, labels) = blobs(9000, &THREE, 1.5, 1);
    let rows = Rows::new(&values, 2).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mixture = Mixture::fit(rows, 4, 1).unwrap();
            let probe = Probe::fit(rows, &labels, ProbeOptions::default()).unwrap();
            (
                serde_json::to_string(&mixture).unwrap(),
                probe.weights().clone(),
            )
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn a_stored_mixture_is_the_same_again_or_refused() {
    let (values, _) = blobs(600, &THREE, 0.8, 1);
    let rows = Rows::new(&values, 2).unwrap();
    let mixture = Mixture::fit(rows, 3, 1).unwrap();
    let text = serde_json::to_string(&mixture).unwrap();
    let back: Mixture = serde_json::from_str(&text).unwrap();
    assert_eq!(
        mixture.log_prob(rows).unwrap(),
        back.log_prob(rows).unwrap()
    );
    for wrong in [
        r#"{"weights": [1.0], "components": []}"#,
        r#"{"weights": [0.5], "components": [{"mean": [0.0], "factor": [1.0]}]}"#,
        r#"{"weights": [1.0], "components": [{"mean": [0.0], "factor": [-1.0]}]}"#,
        r#"{"weights": [1.0], "components": [{"mean": [0.0], "factor": [1.0, 2.0]}]}"#,
        r#"{"weights": [1.0], "components": [{"mean": [], "factor": []}]}"#,
    ] {
        assert!(serde_json::from_str::<Mixture>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn impossible_covariances_are_refused() {
    let gaussian = |covariance, shrinkage| Gaussian::new(Array1::zeros(2), covariance, shrinkage);
    assert!(gaussian(Array2::eye(3), 0.0).is_err());
    assert!(gaussian(Array2::eye(2) * f64::NAN, 0.0).is_err());
    assert!(gaussian(Array2::eye(2), 1.5).is_err());
}

/// By hand: precision (2, -1; -1, 2) / 3 of the covariance (2, 1; 1, 2).
#[test]
fn parts_of_a_distance_add_up_to_it() {
    let covariance = ndarray::array![[2.0, 1.0], [1.0, 2.0]];
    let gaussian = Gaussian::new(ndarray::array![1.0, -1.0], covariance, 0.0).unwrap();
    let rows = [4.0, 0.0, 1.0, 2.0];
    let rows = Rows::new(&rows, 2).unwrap();
    let parts = gaussian.contributions(rows).unwrap();
    for (found, expected) in parts.iter().zip([5.0, -1.0 / 3.0, 0.0, 6.0]) {
        assert!((found - expected).abs() < 1e-12, "{parts:?}");
    }
    let sums: Vec<f64> = parts.chunks(2).map(|parts| parts.iter().sum()).collect();
    for (found, expected) in sums.iter().zip(gaussian.distances(rows).unwrap()) {
        assert!((found - expected).abs() < 1e-12);
    }
}
