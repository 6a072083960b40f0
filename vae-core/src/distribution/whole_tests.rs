//! The distributions of counts, of eight-bit pixels and of tables, against numbers of SciPy and against what
//! must hold of any distribution.

use std::collections::HashMap;

use burn::{
    module::Param,
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use serde::Deserialize;

use super::Distribution;
use crate::{
    BuiltinDistribution, BuiltinLikelihood, ColumnWidth, Likelihood, LikelihoodConfig,
    LikelihoodKind, ops,
};

type Ad = Autodiff<Flex>;
use LikelihoodKind as Kind;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
    gamma: Vec<Gamma>,
}

#[derive(Debug, Deserialize)]
struct Case {
    kind: Kind,
    parameters: HashMap<String, Vec<f32>>,
    value: Vec<f32>,
    log_prob: f64,
    cdf: Vec<f64>,
    mean: Vec<f64>,
    slope: f64,
}

#[derive(Deserialize)]
struct Gamma {
    x: f32,
    ln_gamma: f64,
    digamma: f64,
}

fn expected() -> Expected {
    serde_json::from_str(include_str!("../../tests/likelihoods/expected.json")).unwrap()
}

pub(super) fn row<B: Backend>(values: &[f32]) -> Tensor<B, 2> {
    Tensor::<B, 1>::from_data(values, &Default::default()).unsqueeze()
}

pub(super) fn numbers<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// A number, three levels, a number, one level.
const TABLE: [ColumnWidth; 4] = [
    ColumnWidth::Number,
    ColumnWidth::Levels(3),
    ColumnWidth::Number,
    ColumnWidth::Levels(1),
];

fn config(kind: Kind) -> LikelihoodConfig {
    match kind {
        kind if kind.is_of_columns() => LikelihoodConfig {
            kind,
            ..LikelihoodConfig::per_column(TABLE.to_vec())
        },
        kind => LikelihoodConfig::new(kind),
    }
}

/// The likelihood of so many features with these parameters of its own.
pub(super) fn likelihood<B: Backend>(
    kind: Kind,
    features: usize,
    own: &[f32],
) -> BuiltinLikelihood<B> {
    let mut built = config(kind)
        .init::<B>(features, &Default::default())
        .unwrap();
    if !own.is_empty() {
        let own = Param::from_tensor(Tensor::from_data(own, &Default::default()));
        match kind {
            kind if kind.is_of_columns() => built.log_sigma = Some(own),
            _ => built.log_theta = Some(own),
        }
    }
    built
}

pub(super) fn distribution(
    kind: Kind,
    given: &[f32],
    own: &[f32],
    features: usize,
) -> BuiltinDistribution<Flex> {
    likelihood::<Flex>(kind, features, own).distribution(row(given))
}

fn cdf(of: &BuiltinDistribution<Flex>, value: Tensor<Flex, 2>) -> Option<Tensor<Flex, 2>> {
    use BuiltinDistribution as Of;
    Some(match of {
        Of::Poisson(of) => of.cdf(value),
        Of::NegativeBinomial(of) => of.cdf(value),
        Of::ZeroInflatedNegativeBinomial(of) => of.cdf(value),
        Of::Multinomial(of) => of.cdf(value),
        Of::Categorical(of) => of.cdf(value),
        Of::DiscretizedLogistic(of) => of.cdf(value),
        _ => return None,
    })
}

impl Case {
    fn of(&self, name: &str) -> &[f32] {
        self.parameters.get(name).map_or(&[], Vec::as_slice)
    }

    /// With the total of the value, where there is one.
    fn distribution(&self) -> BuiltinDistribution<Flex> {
        let own = [self.of("log_theta"), self.of("log_sigma")].concat();
        match distribution(self.kind, self.of("given"), &own, self.value.len()) {
            BuiltinDistribution::Multinomial(of) => {
                BuiltinDistribution::Multinomial(of.with_totals_of(row(&self.value)))
            }
            other => other,
        }
    }
}

/// Means and distribution functions to 1e-5 of their size or of 1, log-probabilities to 2e-6 and to what the
/// rounding of a rate, a mean or a scale in single precision makes of them: 2e-7 of `slope`. That is 1e-3 nats
/// six standard deviations from a rate of a million.
#[test]
fn scipy_gives_the_same_numbers() {
    let mut worst = HashMap::<_, f64>::new();
    for case in expected().cases {
        let of = case.distribution();
        let found = numbers(of.log_prob(row(&case.value)))[0];
        let error = (found - case.log_prob).abs();
        let limit = 2e-6 * case.log_prob.abs().max(1.0) + 2e-7 * case.slope;
        assert!(
            error <= limit,
            "{case:?}: log_prob {found}, off by {error:e} of {limit:e}"
        );
        let worst = worst.entry(format!("{:?}", case.kind)).or_default();
        *worst = worst.max(error / limit);
        let close = |what: &str, found: Vec<f64>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len(), "{case:?}");
            for (a, b) in found.iter().zip(expected) {
                let error = (a - b).abs();
                assert!(
                    error <= 1e-5 * b.abs().max(1.0),
                    "{case:?}: {what} {a}, not {b}"
                );
            }
        };
        close("mean", numbers(of.mean()), &case.mean);
        if let Some(below) = cdf(&of, row(&case.value)) {
            let steep = matches!(case.kind, Kind::DiscretizedLogistic);
            match steep {
                // The edge of a level is off by the rounding of the mean, in units of the scale.
                true => {
                    let error = (numbers(below)[0] - case.cdf[0]).abs();
                    assert!(error <= 1e-5 + 1e-7 * case.slope, "{case:?}: {error}");
                }
                false => close("cdf", numbers(below), &case.cdf),
            }
        }
    }
    println!("largest shares of the limits: {worst:?}");
}

/// From 1e-3 to 1e7.
#[test]
fn the_gamma_function_is_that_of_scipy() {
    let points = expected().gamma;
    let x: Vec<f32> = points.iter().map(|point| point.x).collect();
    let x = Tensor::<Ad, 1>::from_data(x.as_slice(), &Default::default()).require_grad();
    let value = ops::ln_gamma(x.clone());
    let slopes = numbers(x.grad(&value.clone().sum().backward()).unwrap());
    let (values, digammas) = (numbers(value), numbers(ops::digamma(x)));
    for (i, point) in points.iter().enumerate() {
        for (what, found, expected) in [
            ("ln_gamma", values[i], point.ln_gamma),
            ("its gradient", slopes[i], point.digamma),
            ("digamma", digammas[i], point.digamma),
        ] {
            let error = (found - expected).abs() / expected.abs().max(1.0);
            assert!(
                error < 1e-6,
                "{what} at {}: {found}, not {expected}",
                point.x
            );
        }
    }
}

/// The sum of the probabilities of these rows.
fn mass(of: &BuiltinDistribution<Flex>, rows: &[Vec<f32>]) -> f64 {
    let rows: Vec<Tensor<Flex, 2>> = rows.iter().map(|values| row(values)).collect();
    let log_probs = numbers(of.log_prob(Tensor::cat(rows, 0)));
    log_probs.iter().map(|log_prob| log_prob.exp()).sum()
}

/// Up to where the tail is below 1e-7.
#[test]
fn probabilities_of_counts_add_up_to_one() {
    let counts: Vec<Vec<f32>> = (0..4000).map(|k| vec![k as f32]).collect();
    for (kind, given, own) in [
        (Kind::Poisson, vec![-9.0], vec![]),
        (Kind::Poisson, vec![0.0], vec![]),
        (Kind::Poisson, vec![7.5], vec![]),
        (Kind::NegativeBinomial, vec![3.0], vec![-0.5]),
        (Kind::NegativeBinomial, vec![6.0], vec![9.0]),
        (Kind::NegativeBinomial, vec![-2.0], vec![-4.0]),
        (
            Kind::ZeroInflatedNegativeBinomial,
            vec![2.0, -1.0],
            vec![1.0],
        ),
        (
            Kind::ZeroInflatedNegativeBinomial,
            vec![5.0, 3.0],
            vec![2.0],
        ),
    ] {
        let mass = mass(&distribution(kind, &given, &own, 1), &counts);
        assert!(
            (mass - 1.0).abs() < 1e-5,
            "{kind:?} {given:?} {own:?}: mass {mass}"
        );
    }
    let total = 9;
    let mut rows = Vec::new();
    for a in 0..=total {
        for b in 0..=total - a {
            rows.push([a, b, total - a - b].map(|k| k as f32).to_vec());
        }
    }
    for logits in [[0.0, 0.0, 0.0], [3.0, -2.0, 0.3], [40.0, -90.0, 30.0]] {
        let mass = mass(&distribution(Kind::Multinomial, &logits, &[], 3), &rows);
        assert!(
            (mass - 1.0).abs() < 1e-5,
            "multinomial {logits:?}: mass {mass}"
        );
    }
}

/// To 1e-6 everywhere: with the mean far outside, the scale far below a level's width and far above all.
#[test]
fn probabilities_of_levels_add_up_to_one() {
    let levels: Vec<Vec<f32>> = (0..256).map(|k| vec![k as f32 / 255.0]).collect();
    for mean in [
        -1e4, -30.0, -1.0, -0.01, 0.0, 0.2, 0.5, 0.777, 1.0, 1.01, 8.0, 1e3, 1e6,
    ] {
        for log_scale in [
            -90.0, -12.0, -9.0, -7.0, -5.5, -3.0, -1.0, 0.0, 3.0, 8.0, 40.0,
        ] {
            let of = distribution(Kind::DiscretizedLogistic, &[mean, log_scale], &[], 1);
            let mass = mass(&of, &levels);
            assert!(
                (mass - 1.0).abs() < 1e-6,
                "mean {mean}, log scale {log_scale}: mass {mass}"
            );
        }
    }
    let logits: Vec<f32> = (0..256).map(|k| 10.0 * (k as f32).sin()).collect();
    let mass = mass(&distribution(Kind::Categorical, &logits, &[], 1), &levels);
    assert!((mass - 1.0).abs() < 1e-6, "categorical: mass {mass}");
}

/// The density of the numbers integrates to 1 and the levels sum to it: midpoint rule in the first number.
#[test]
fn a_row_of_a_table_has_mass_one() {
    let columns = vec![ColumnWidth::Number, ColumnWidth::Levels(3)];
    let built = LikelihoodConfig::per_column(columns)
        .init::<Flex>(4, &Default::default())
        .unwrap();
    let of = built.distribution(row(&[0.5, 1.0, -2.0, 0.3]));
    let (cells, low, width) = (2000, -9.5, 20.0);
    let mut rows = Vec::new();
    for level in 0..3 {
        for cell in 0..cells {
            let mut values = vec![
                low + width * (cell as f32 + 0.5) / cells as f32,
                0.0,
                0.0,
                0.0,
            ];
            values[1 + level] = 1.0;
            rows.push(values);
        }
    }
    let mass = mass(&of, &rows) * f64::from(width) / f64::from(cells);
    assert!((mass - 1.0).abs() < 1e-5, "mass {mass}");
}

/// A kind, the output of a decoder for one example, parameters of the likelihood's own, and data.
type Example = (Kind, Vec<f32>, Vec<f32>, Vec<f32>);

pub(super) fn examples() -> Vec<Example> {
    let logits: Vec<f32> = (0..512).map(|i| (i as f32 * 0.7).sin()).collect();
    vec![
        (
            Kind::Poisson,
            vec![-1.0, 0.5, 2.0],
            vec![],
            vec![0.0, 3.0, 5.0],
        ),
        (
            Kind::NegativeBinomial,
            vec![-1.0, 0.5, 2.0],
            vec![-1.0, 0.0, 2.0],
            vec![0.0, 3.0, 12.0],
        ),
        (
            Kind::ZeroInflatedNegativeBinomial,
            vec![-1.0, 0.5, 2.0, 0.3, -1.0, 2.0],
            vec![-1.0, 0.0, 2.0],
            vec![0.0, 0.0, 12.0],
        ),
        (
            Kind::Multinomial,
            vec![-1.0, 0.5, 2.0],
            vec![],
            vec![0.0, 3.0, 5.0],
        ),
        (Kind::Categorical, logits, vec![], vec![0.2, 1.0]),
        (
            Kind::DiscretizedLogistic,
            vec![0.1, 0.6, 0.9, -3.0, -1.0, -2.0],
            vec![],
            vec![0.0, 0.4, 1.0],
        ),
        (
            Kind::PerColumn,
            vec![0.5, 0.1, -2.0, 3.0, -1.0, 0.4],
            vec![-0.5, 0.7],
            vec![0.3, 0.0, 1.0, 0.0, 0.2, 1.0],
        ),
        (
            Kind::StudentT,
            vec![0.5, 0.1, -2.0, 3.0, -1.0, 0.4],
            vec![-0.1, 0.14],
            vec![0.3, 0.0, 1.0, 0.0, 0.2, 1.0],
        ),
    ]
}

/// The value, and the gradients for the decoder's output and for the likelihood's own parameters.
fn slopes<B: AutodiffBackend>(
    kind: Kind,
    given: &[f32],
    own: &[f32],
    target: &[f32],
) -> (f64, Vec<f64>, Vec<f64>) {
    let likelihood = likelihood::<B>(kind, target.len(), own);
    let given = row::<B>(given).require_grad();
    let nll = likelihood
        .distribution(given.clone())
        .nll(row(target))
        .sum();
    let gradients = nll.backward();
    let own = likelihood.log_sigma.or(likelihood.log_theta);
    let own = own.and_then(|own| own.val().grad(&gradients)).map(numbers);
    let value = numbers(nll)[0];
    (
        value,
        numbers(given.grad(&gradients).unwrap()),
        own.unwrap_or_default(),
    )
}

#[test]
fn gradients_match_central_differences() {
    let step = 1e-2_f32;
    for (kind, given, own, target) in examples() {
        let (_, of_given, of_own) = slopes::<Ad>(kind, &given, &own, &target);
        assert_eq!(
            (of_given.len(), of_own.len()),
            (given.len(), own.len()),
            "{kind:?}"
        );
        let found = [of_given, of_own].concat();
        for (i, found) in found.into_iter().enumerate().take(40) {
            let at = |by: f32| {
                let mut both = [given.clone(), own.clone()].concat();
                both[i] += by;
                let (given, own) = both.split_at(given.len());
                slopes::<Ad>(kind, given, own, &target).0
            };
            let difference = (at(step) - at(-step)) / (2.0 * f64::from(step));
            let error = (found - difference).abs();
            let limit = 2e-3 * difference.abs().max(1.0);
            assert!(error < limit, "{kind:?}, {i}: {found}, not {difference}");
        }
    }
}

/// Whatever finite number a decoder gives, up to where squares of differences overflow for a Gaussian.
#[test]
fn extreme_outputs_cost_something_finite_and_have_finite_gradients() {
    for (kind, given, own, target) in examples() {
        let sizes: &[f32] = match kind {
            kind if kind.is_of_columns() => &[0.0, 1e2, 1e5, 1e10],
            _ => &[0.0, 1e2, 1e5, 1e10, 1e20, 1e30],
        };
        for &size in sizes {
            for signs in 0..4 {
                let sign = |i: usize| match signs {
                    0 => 1.0,
                    1 => -1.0,
                    2 => [1.0, -1.0][i % 2],
                    _ => [-1.0, 1.0, 0.0][i % 3],
                };
                let given: Vec<f32> = (0..given.len()).map(|i| size * sign(i)).collect();
                // A network gives no standard deviations of columns: they are learned.
                let theta = match kind {
                    Kind::PerColumn => 20.0,
                    Kind::StudentT => 4.0,
                    _ => size,
                };
                let own: Vec<f32> = (0..own.len()).map(|i| theta * sign(i + 1)).collect();
                for target in [&target, &target.iter().map(|_| 0.0).collect()] {
                    let (value, of_given, of_own) = slopes::<Ad>(kind, &given, &own, target);
                    let all = [vec![value], of_given, of_own].concat();
                    assert!(
                        all.iter().all(|x| (*x as f32).is_finite()),
                        "{kind:?} at ±{size:e} ({signs}): {all:?}"
                    );
                }
            }
        }
    }
}

/// Value and gradients are those of the row without the cell.
#[test]
fn a_missing_cell_counts_as_if_its_column_were_not_there() {
    let given = [0.5, 0.1, -2.0, 3.0, -1.0, 0.4];
    let target = [0.3, 0.0, 1.0, 0.0, 0.2, 1.0];
    let sigma = [-0.5, 0.7];
    let places = [0..1, 1..4, 4..5, 5..6];
    let run = |columns: &[ColumnWidth], given: &[f32], sigma: &[f32], target: &[f32]| {
        let config = LikelihoodConfig::per_column(columns.to_vec());
        let mut built = config
            .init::<Ad>(target.len(), &Default::default())
            .unwrap();
        if let Some(own) = built.log_sigma.as_mut() {
            *own = Param::from_tensor(Tensor::from_data(sigma, &Default::default()));
        }
        let given = row::<Ad>(given).require_grad();
        let nll = built.distribution(given.clone()).nll(row(target)).sum();
        let gradients = nll.backward();
        let own = built
            .log_sigma
            .map(|own| numbers(own.val().grad(&gradients).unwrap()));
        (
            numbers(nll)[0],
            numbers(given.grad(&gradients).unwrap()),
            own.unwrap_or_default(),
        )
    };
    for missing in 0..4 {
        let mut with_gap = target;
        with_gap[places[missing].clone()].fill(f32::NAN);
        let (value, mut of_given, mut of_sigma) = run(&TABLE, &given, &sigma, &with_gap);
        let without = |row: &[f32]| -> Vec<f32> {
            let kept = |i: &usize| !places[missing].contains(i);
            (0..row.len()).filter(kept).map(|i| row[i]).collect()
        };
        let columns: Vec<ColumnWidth> =
            (0..4).filter(|i| *i != missing).map(|i| TABLE[i]).collect();
        let (kept, lost): (Vec<f32>, _) = match missing {
            0 => (vec![sigma[1]], Some(0)),
            2 => (vec![sigma[0]], Some(1)),
            _ => (sigma.to_vec(), None),
        };
        let expected = run(&columns, &without(&given), &kept, &without(&target));
        let gap: Vec<f64> = of_given.drain(places[missing].clone()).collect();
        assert!(gap.iter().all(|x| *x == 0.0), "{missing}: {gap:?}");
        if let Some(lost) = lost {
            assert_eq!(of_sigma.remove(lost), 0.0);
        }
        assert_eq!((value, of_given, of_sigma), expected, "{missing}");
    }
    let (value, of_given, _) = run(&TABLE, &given, &sigma, &[f32::NAN; 6]);
    assert_eq!((value, of_given), (0.0, vec![0.0; 6]));
}

/// By hand: log 4 = 1.386294; (3, 4) has length 5.
#[test]
fn the_encoder_sees_counts_on_another_scale() {
    let view = |kind: Kind, input: &[f32]| {
        numbers(likelihood::<Flex>(kind, input.len(), &[]).encoder_view(row(input)))
    };
    for kind in [
        Kind::Poisson,
        Kind::NegativeBinomial,
        Kind::ZeroInflatedNegativeBinomial,
    ] {
        let seen = view(kind, &[0.0, 3.0, -2.0]);
        assert!((seen[1] - 1.386_294).abs() < 1e-6, "{seen:?}");
        assert_eq!([seen[0], seen[2]], [0.0, 0.0]);
    }
    let seen = view(Kind::Multinomial, &[3.0, 0.0, 4.0]);
    assert!(
        (seen[0] - 0.6).abs() < 1e-7 && (seen[2] - 0.8).abs() < 1e-7,
        "{seen:?}"
    );
    assert_eq!(view(Kind::Multinomial, &[0.0, 0.0]), [0.0, 0.0]);
    let gaps = [1.5, f32::NAN, f32::NAN, f32::NAN, 2.0, 1.0];
    assert_eq!(view(Kind::PerColumn, &gaps), [1.5, 0.0, 0.0, 0.0, 2.0, 1.0]);
    let with_mask = LikelihoodConfig {
        mask: true,
        ..LikelihoodConfig::per_column(TABLE.to_vec())
    };
    assert_eq!(with_mask.encoder_width(6), 8);
    let with_mask = with_mask.init::<Flex>(6, &Default::default()).unwrap();
    assert_eq!(with_mask.encoder_width(6), 8);
    let seen = |gaps: &[f32]| numbers(with_mask.encoder_view(row(gaps)));
    assert_eq!(seen(&gaps), [1.5, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0]);
    let gaps = [f32::NAN, 0.0, 1.0, 0.0, 0.0, 1.0];
    assert_eq!(seen(&gaps), [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
    let input = [0.1, 0.7];
    for kind in [Kind::Bernoulli, Kind::GaussianPixel, Kind::Categorical] {
        assert_eq!(view(kind, &input), input.map(f64::from));
    }
}
