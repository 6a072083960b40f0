//! Draws of the distributions of counts, of eight-bit pixels and of tables.

use burn::tensor::Tensor;
use burn_flex::Flex;

use super::{
    Distribution,
    whole_tests::{distribution, examples, likelihood, numbers, row},
};
use crate::{BuiltinDistribution, Likelihood, LikelihoodKind as Kind, StepContext};

/// 20,000 draws have the mean and the variance of the distribution within four standard errors, that of the
/// variance from the fourth moment of the draws.
#[test]
fn draws_have_the_moments_of_the_distribution() {
    const DRAWS: usize = 20_000;
    let logits: Vec<f32> = (0..256).map(|k| (k as f32 * 0.05).sin() * 2.0).collect();
    let zero_inflated = |log_mean: f64, log_theta: f64, logit: f64| {
        let (mean, theta, zeros) = (
            log_mean.exp(),
            log_theta.exp(),
            1.0 / (1.0 + (-logit).exp()),
        );
        let variance = (1.0 - zeros) * (mean + mean * mean / theta + zeros * mean * mean);
        [(1.0 - zeros) * mean, variance]
    };
    let levels = |of: &BuiltinDistribution<Flex>| {
        let probabilities: Vec<f64> = (0..256)
            .map(|k| numbers(of.log_prob(row(&[k as f32 / 255.0])))[0].exp())
            .collect();
        let moment = |power: i32| {
            let terms = probabilities.iter().enumerate();
            terms
                .map(|(k, p)| p * (k as f64 / 255.0).powi(power))
                .sum::<f64>()
        };
        [moment(1), moment(2) - moment(1) * moment(1)]
    };
    let nothing = f64::NEG_INFINITY;
    for (seed, (kind, given, own, moments)) in [
        (
            Kind::Poisson,
            vec![-2.0],
            vec![],
            Some([(-2.0_f64).exp(); 2]),
        ),
        (Kind::Poisson, vec![3.0], vec![], Some([3.0_f64.exp(); 2])),
        (Kind::Poisson, vec![12.0], vec![], Some([12.0_f64.exp(); 2])),
        (
            Kind::NegativeBinomial,
            vec![1.0],
            vec![0.5],
            Some(zero_inflated(1.0, 0.5, nothing)),
        ),
        (
            Kind::NegativeBinomial,
            vec![6.0],
            vec![3.0],
            Some(zero_inflated(6.0, 3.0, nothing)),
        ),
        (
            Kind::ZeroInflatedNegativeBinomial,
            vec![2.0, 0.5],
            vec![1.0],
            Some(zero_inflated(2.0, 1.0, 0.5)),
        ),
        (
            Kind::ZeroInflatedNegativeBinomial,
            vec![5.0, -2.0],
            vec![4.0],
            Some(zero_inflated(5.0, 4.0, -2.0)),
        ),
        (Kind::Categorical, logits, vec![], None),
        (Kind::DiscretizedLogistic, vec![0.4, -3.0], vec![], None),
        (Kind::DiscretizedLogistic, vec![0.9, -1.5], vec![], None),
        (Kind::DiscretizedLogistic, vec![0.5, -6.0], vec![], None),
    ]
    .into_iter()
    .enumerate()
    {
        let of = distribution(kind, &given, &own, 1);
        let draws = numbers(of.sample(DRAWS, &StepContext::sample(seed as u64)));
        let [mean, variance] = moments.unwrap_or_else(|| levels(&of));
        assert_moments(&format!("{kind:?} {given:?}"), &draws, mean, variance);
    }
}

fn assert_moments(what: &str, draws: &[f64], mean: f64, variance: f64) {
    let count = draws.len() as f64;
    let moment = |power: i32| draws.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / count;
    let found = draws.iter().sum::<f64>() / count;
    let error = (found - mean).abs() / (variance / count).sqrt();
    assert!(
        error < 4.0,
        "{what}: mean {found}, not {mean}, {error} standard errors"
    );
    let error = (moment(2) - variance).abs() / ((moment(4) - moment(2).powi(2)) / count).sqrt();
    assert!(
        error < 4.0,
        "{what}: variance {}, not {variance}, {error}",
        moment(2)
    );
}

/// Means `N p` and variances `N p (1 - p)`, and every row has its total.
#[test]
fn draws_of_a_multinomial_share_their_total() {
    let logits = [0.0, 2.0, -3.0, 1.0];
    let BuiltinDistribution::Multinomial(of) = distribution(Kind::Multinomial, &logits, &[], 4)
    else {
        panic!("a multinomial");
    };
    let of = of.with_totals_of(row(&[30.0, 20.0, 0.0, 50.0]));
    let draws = numbers(of.sample(20_000, &StepContext::sample(3)));
    assert!(draws.chunks(4).all(|row| row.iter().sum::<f64>() == 100.0));
    for (i, mean) in numbers(of.mean()).into_iter().enumerate() {
        let column: Vec<f64> = draws.iter().skip(i).step_by(4).copied().collect();
        assert_moments(
            &format!("feature {i}"),
            &column,
            mean,
            mean * (1.0 - mean / 100.0),
        );
    }
}

#[test]
fn draws_of_a_table_have_the_moments_of_their_columns() {
    let given = [0.5, 0.1, -2.0, 1.0, -7.0, 0.4];
    let of = distribution(Kind::PerColumn, &given, &[0.3, -1.0], 6);
    let draws = numbers(of.sample(20_000, &StepContext::sample(4)));
    let sigma = [0.3, -1.0]
        .map(|x: f64| ((x + 6.0).exp() + 1.0).ln() - 6.0)
        .map(f64::exp);
    for (i, mean) in numbers(of.mean()).into_iter().enumerate().take(5) {
        let variance = match i {
            0 => sigma[0] * sigma[0],
            4 => sigma[1] * sigma[1],
            _ => mean * (1.0 - mean),
        };
        let column: Vec<f64> = draws.iter().skip(i).step_by(6).copied().collect();
        assert_moments(&format!("place {i}"), &column, mean, variance);
    }
    for row in draws.chunks(6) {
        assert_eq!((row[1] + row[2] + row[3], row[5]), (1.0, 1.0));
    }
}

/// The quartiles of Student's t with 3 degrees of freedom are 0.7648923 scales from the middle (SciPy).
#[test]
fn draws_of_students_t_have_its_quartiles() {
    let given = [0.5, 0.1, -2.0, 1.0, -7.0, 0.4];
    let of = distribution(Kind::StudentT, &given, &[0.06, -0.2], 6);
    let draws = numbers(of.sample(40_000, &StepContext::sample(4)));
    for (place, middle, log_scale) in [(0, 0.5, 0.3), (4, -7.0, -1.0_f64)] {
        let scale = (((log_scale + 3.0).exp() + 1.0).ln() - 3.0).exp();
        let mut column: Vec<f64> = draws.iter().skip(place).step_by(6).copied().collect();
        column.sort_by(f64::total_cmp);
        for (share, quartile) in [(0.25, -0.764_892_3), (0.5, 0.0), (0.75, 0.764_892_3)] {
            let found = (column[(share * 40_000.0) as usize] - middle) / scale;
            assert!((found - quartile).abs() < 0.03, "place {place}: {found}, not {quartile}");
        }
    }
}

/// The same seed gives the same draws, another one others; rows repeat after all of them.
#[test]
fn draws_follow_the_seed_and_rows_repeat() {
    for (kind, given, own, target) in examples() {
        let likelihood = likelihood::<Flex>(kind, target.len(), &own);
        let rows = Tensor::cat(vec![row(&given), row::<Flex>(&given).mul_scalar(0.5)], 0);
        let of = likelihood.distribution(rows);
        let draw = |seed| numbers(of.sample(30, &StepContext::sample(seed)));
        assert_eq!(draw(1), draw(1), "{kind:?}");
        assert_ne!(draw(1), draw(2), "{kind:?}");
        assert_eq!(
            of.sample(30, &StepContext::sample(1)).dims(),
            [60, target.len()]
        );
        let value = Tensor::cat(vec![row::<Flex>(&target); 4], 0);
        let log_probs = numbers(of.log_prob(value));
        assert_eq!(log_probs[..2], log_probs[2..], "{kind:?}");
        assert_ne!(log_probs[0], log_probs[1], "{kind:?}");
    }
}
