//! Against scikit-learn, SciPy, scikit-image and SDMetrics: `reference/reference.py` writes the numbers.

use ndarray::{Array1, Array2};
use serde::de::DeserializeOwned;
use serde_json::Value;
use vae_analysis::*;

/// What the script wrote at a key, and the keys within.
fn expected<T: DeserializeOwned>(path: &str) -> T {
    let text = include_str!("reference/expected.json");
    let whole: Value = serde_json::from_str(text).expect("JSON");
    let value = whole
        .pointer(path)
        .unwrap_or_else(|| panic!("{path} is missing"));
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A table and its width.
fn table(path: &str) -> (Vec<f32>, usize) {
    let rows: Vec<Vec<f32>> = expected(path);
    (rows.concat(), rows[0].len())
}

fn flat(path: &str) -> Vec<f64> {
    expected::<Vec<Vec<f64>>>(path).concat()
}

fn close<'a>(found: impl IntoIterator<Item = &'a f64>, wanted: &[f64], tolerance: f64, what: &str) {
    let found: Vec<f64> = found.into_iter().copied().collect();
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(wanted).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * (1.0 + b.abs()),
            "{what} {i}: {a} instead of {b}"
        );
    }
}

#[test]
fn gaussian_as_scikit_learn() {
    let (values, width) = table("/gaussian/rows");
    let rows = Rows::new(&values, width).unwrap();
    let gaussian = Gaussian::fit(rows, 0.0).unwrap();
    close(
        gaussian.mean(),
        &expected::<Vec<f64>>("/gaussian/mean"),
        1e-7,
        "mean",
    );
    close(
        &gaussian.covariance(),
        &flat("/gaussian/covariance"),
        1e-6,
        "covariance",
    );
    close(
        &gaussian.distances(rows).unwrap(),
        &expected::<Vec<f64>>("/gaussian/distances"),
        1e-5,
        "distance",
    );
    close(
        &gaussian.log_prob(rows).unwrap(),
        &expected::<Vec<f64>>("/gaussian/log_prob"),
        1e-5,
        "log_prob",
    );
    let shrunk = Gaussian::fit(rows, 0.2).unwrap();
    close(
        &shrunk.covariance(),
        &flat("/gaussian/shrunk_0.2"),
        1e-6,
        "shrunk",
    );
}

#[test]
fn principal_components_as_scikit_learn() {
    for (case, components) in [(0, 2), (1, 4)] {
        let at = |key: &str| format!("/pca/{case}/{key}");
        let (values, width) = table(&at("rows"));
        let rows = Rows::new(&values, width).unwrap();
        let pca = Pca::fit(rows, components).unwrap();
        close(
            pca.components(),
            &flat(&at("components")),
            1e-6,
            "component",
        );
        close(
            pca.explained_variance(),
            &expected::<Vec<f64>>(&at("explained_variance")),
            1e-6,
            "variance",
        );
        close(
            &pca.explained_ratio(),
            &expected::<Vec<f64>>(&at("explained_ratio")),
            1e-6,
            "ratio",
        );
        let transformed = pca.transform(rows).unwrap();
        let transformed: Vec<f64> = transformed.iter().map(|v| f64::from(*v)).collect();
        close(&transformed, &flat(&at("transformed")), 1e-5, "coordinate");
    }
}

#[test]
fn mixture_density_as_scipy() {
    let means: Vec<Vec<f64>> = expected("/mixture/means");
    let covariances: Vec<Vec<Vec<f64>>> = expected("/mixture/covariances");
    let components = means
        .into_iter()
        .zip(covariances)
        .map(|(mean, covariance)| {
            let covariance = Array2::from_shape_vec((2, 2), covariance.concat()).unwrap();
            Gaussian::new(Array1::from(mean), covariance, 0.0).unwrap()
        });
    let mixture = Mixture::new(expected("/mixture/weights"), components.collect()).unwrap();
    let (values, width) = table("/mixture/points");
    let found = mixture
        .log_prob(Rows::new(&values, width).unwrap())
        .unwrap();
    close(
        &found,
        &expected::<Vec<f64>>("/mixture/log_prob"),
        1e-6,
        "log_prob",
    );
}

/// Apart, so that both find the same optimum; a step below 1e-4 nats ends this fit, hence the tolerance.
#[test]
fn mixture_fit_as_scikit_learn() {
    let (values, width) = table("/mixture/blobs");
    let rows = Rows::new(&values, width).unwrap();
    let mixture = Mixture::fit(rows, 3, 1).unwrap();
    let mut order: Vec<usize> = (0..3).collect();
    order.sort_by(|a, b| mixture.weights()[*a].total_cmp(&mixture.weights()[*b]));
    let weights: Vec<f64> = order.iter().map(|i| mixture.weights()[*i]).collect();
    close(
        &weights,
        &expected::<Vec<f64>>("/mixture/fitted_weights"),
        1e-3,
        "weight",
    );
    let means: Vec<Vec<f64>> = expected("/mixture/fitted_means");
    let covariances: Vec<Vec<Vec<f64>>> = expected("/mixture/fitted_covariances");
    for ((i, mean), covariance) in order.iter().zip(&means).zip(&covariances) {
        close(mixture.components()[*i].mean(), mean, 2e-3, "mean");
        close(
            &mixture.components()[*i].covariance(),
            &covariance.concat(),
            5e-3,
            "covariance",
        );
    }
    let log_prob = mixture.log_prob(rows).unwrap();
    let mean = log_prob.iter().sum::<f64>() / log_prob.len() as f64;
    close(
        &[mean],
        &[expected("/mixture/fitted_mean_log_prob")],
        1e-4,
        "mean log_prob",
    );
}

#[test]
fn ranking_as_scikit_learn() {
    let scores: Vec<f64> = expected("/ranking/scores");
    let positive: Vec<bool> = expected("/ranking/positive");
    let area = auroc(&scores, &positive).unwrap();
    close(&[area], &[expected("/ranking/auroc")], 1e-12, "AUROC");
    let precision = average_precision(&scores, &positive).unwrap();
    close(
        &[precision],
        &[expected("/ranking/average_precision")],
        1e-12,
        "average precision",
    );
    // scikit-learn keeps some points on straight lines, but has all of these.
    let curve = roc_curve(&scores, &positive, 1000).unwrap();
    let false_rates: Vec<f64> = expected("/ranking/false_positive_rates");
    let true_rates: Vec<f64> = expected("/ranking/true_positive_rates");
    let thresholds: Vec<f64> = expected("/ranking/thresholds"); // without the first, which is infinite
    let points: Vec<[f64; 3]> = curve
        .iter()
        .map(|p| [p.false_positive_rate, p.true_positive_rate, p.threshold])
        .collect();
    assert_eq!(points[0], [0.0, 0.0, f64::INFINITY]);
    for point in &points[1..] {
        let wanted = |i: usize| [false_rates[i + 1], true_rates[i + 1], thresholds[i]];
        assert!(
            (0..thresholds.len()).any(|i| wanted(i) == *point),
            "{point:?}"
        );
    }
    let below = points
        .windows(2)
        .map(|p| (p[1][0] - p[0][0]) * (p[1][1] + p[0][1]) / 2.0);
    close(&[below.sum()], &[area], 1e-12, "area below the curve");
    for (share, wanted) in expected::<Vec<(f64, f64)>>("/ranking/quantiles") {
        close(
            &[quantile(&scores, share).unwrap()],
            &[wanted],
            1e-12,
            "quantile",
        );
    }
}

#[test]
fn probe_and_neighbours_as_scikit_learn() {
    let (values, width) = table("/probe/rows");
    let labels: Vec<u32> = expected("/probe/labels");
    let count: usize = expected("/probe/train");
    let (train, test) = values.split_at(count * width);
    let (train, test) = (
        Rows::new(train, width).unwrap(),
        Rows::new(test, width).unwrap(),
    );
    let (train_labels, test_labels) = labels.split_at(count);
    let options = ProbeOptions {
        penalty: expected("/probe/penalty"),
        steps: 1000,
        tolerance: 1e-6,
    };
    let probe = Probe::fit(train, train_labels, options).unwrap();
    let mut weights = flat("/probe/weights");
    weights.extend(expected::<Vec<f64>>("/probe/biases"));
    close(probe.weights(), &weights, 1e-3, "weight");
    assert_eq!(
        probe.predict(test).unwrap(),
        expected::<Vec<u32>>("/probe/predicted")
    );
    let accuracy = probe.accuracy(test, test_labels).unwrap();
    assert_eq!(accuracy.correct, expected::<usize>("/probe/correct"));
    close(
        &[accuracy.low, accuracy.high],
        &[expected("/probe/low"), expected("/probe/high")],
        1e-9,
        "interval",
    );

    let neighbours = nearest(train, test, 5).unwrap();
    let indices: Vec<Vec<u32>> = expected("/probe/neighbours");
    let distances: Vec<Vec<f64>> = expected("/probe/distances");
    for (query, (indices, distances)) in indices.iter().zip(&distances).enumerate() {
        assert_eq!(neighbours.indices(query), indices, "query {query}");
        let found: Vec<f64> = neighbours
            .distances(query)
            .iter()
            .map(|d| f64::from(*d))
            .collect();
        close(&found, distances, 1e-5, "distance");
    }
}

#[test]
fn images_as_scikit_image() {
    for case in 0..3 {
        let at = |key: &str| format!("/images/{case}/{key}");
        let [channels, height, width]: [usize; 3] = expected(&at("shape"));
        let shape = ImageShape::new(channels, height, width).unwrap();
        let ((image, _), (other, _)) = (table(&at("image")), table(&at("other")));
        let peak = expected(&at("peak"));
        close(
            &[psnr(shape, &image, &other, peak).unwrap()],
            &[expected(&at("psnr"))],
            1e-6,
            "PSNR",
        );
        close(
            &[ssim(shape, &image, &other, peak).unwrap()],
            &[expected(&at("ssim"))],
            1e-6,
            "SSIM",
        );
        for size in [3, 5] {
            let filtered = median_filter(shape, &image, size).unwrap();
            assert_eq!(
                filtered,
                table(&at(&format!("median_{size}"))).0,
                "case {case}, size {size}"
            );
        }
    }
}

#[test]
fn fidelity_as_sdmetrics() {
    let numbers = |path: &str| -> Vec<f64> {
        let values: Vec<Option<f64>> = expected(path);
        values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect()
    };
    let categories = |path: &str| -> Vec<Option<u32>> {
        let values: Vec<Option<f64>> = expected(path);
        values.into_iter().map(|v| v.map(|v| v as u32)).collect()
    };
    let sides = ["real", "synthetic"].map(|side| {
        let at = |i: usize| format!("/fidelity/{side}/{i}");
        let (a, b) = (numbers(&at(0)), numbers(&at(1)));
        (a, b, categories(&at(2)), categories(&at(3)))
    });
    let [real, synthetic] = sides.each_ref().map(|(a, b, c, d)| {
        [
            Column::Numbers(a),
            Column::Numbers(b),
            Column::Categories(c),
            Column::Categories(d),
        ]
    });
    let fidelity = Fidelity::new(&real, &synthetic).unwrap();
    let shapes: Vec<f64> = fidelity.shapes.iter().map(|s| s.unwrap()).collect();
    // SDMetrics counts a category that is not in the real table as 1e-6 of a row there.
    close(
        &shapes,
        &expected::<Vec<f64>>("/fidelity/shapes"),
        1e-7,
        "shape",
    );
    let trends: Vec<f64> = fidelity.trends.iter().map(|t| t.score.unwrap()).collect();
    close(
        &trends,
        &expected::<Vec<f64>>("/fidelity/trends"),
        1e-9,
        "trend",
    );
    let means = [
        shapes.iter().sum::<f64>() / 4.0,
        trends.iter().sum::<f64>() / 6.0,
    ];
    close(
        &[fidelity.overall.unwrap()],
        &[(means[0] + means[1]) / 2.0],
        1e-12,
        "overall",
    );
}
