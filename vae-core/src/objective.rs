//! The objective: a reconstruction term and weighted regularisers on one scale.

use std::{fmt, rc::Rc};

use burn::tensor::{
    Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};

use crate::{Code, is_card};

/// A weighted term of the objective.
#[derive(Debug, Clone)]
pub struct Term<B: Backend> {
    /// Name under which it is logged, e.g. `kl`.
    pub name: &'static str,
    /// Value in nats per example, before weighting. `[batch]`
    pub value: Tensor<B, 1>,
    /// Weight in force at this step.
    pub weight: f64,
}

impl<B: Backend> Term<B> {
    /// Weight 1 costs nothing.
    fn weighted(&self) -> Tensor<B, 1> {
        if self.weight == 1.0 {
            self.value.clone()
        } else {
            self.value.clone().mul_scalar(self.weight)
        }
    }

    fn inner(&self) -> Term<B::InnerBackend>
    where
        B: AutodiffBackend,
    {
        Term {
            name: self.name,
            value: self.value.clone().inner(),
            weight: self.weight,
        }
    }
}

/// What a training step minimises. All values are in nats per example, summed over features and latent
/// dimensions; the batch is averaged once, in [`Objective::total`].
#[derive(Debug, Clone)]
pub struct Objective<B: Backend> {
    /// Negative log-likelihood of the target. `[batch]`
    pub reconstruction: Tensor<B, 1>,
    /// Regularisers.
    pub terms: Vec<Term<B>>,
    /// Quantities that are logged but not minimised. `[batch]` each, or shorter if it has a value only
    /// for some examples
    pub monitors: Vec<(&'static str, Tensor<B, 1>)>,
    /// The codes of the batch, for the diagnostics of an evaluation and for [`Loss::after_step`].
    ///
    /// [`Loss::after_step`]: crate::Loss::after_step
    pub codes: Option<Code<B>>,
    /// The KL of each unit of the code in nats, in evaluations and where it is a sum of such.
    /// `[batch, units]`
    pub kl_per_unit: Option<Tensor<B, 2>>,
    /// Terms and monitors that are Monte Carlo estimates of what has no closed form.
    pub estimates: Vec<&'static str>,
    /// Which units are on (1) or off (0), for sparse codes. `[batch, latent]`
    pub active: Option<Tensor<B, 2>>,
    /// What other parts of the model minimise in the same step, such as an adversary.
    pub players: Vec<Player<B>>,
    /// What [`Objective::total`] leaves out of the gradient.
    pub portions: Vec<Portion<B>>,
    /// Values by which the [`Pace`](crate::Pace) of the updates decides, in an order that the two share;
    /// the batch is averaged. `[batch]` each
    pub signals: Vec<Tensor<B, 1>>,
    /// What each example counts in the total: 1 where there is nothing. `[batch]`
    pub weights: Option<Tensor<B, 1>>,
}

/// What a part of the model minimises that has aims of its own: weighted terms, in nats per example.
#[derive(Debug, Clone)]
pub struct Player<B: Backend> {
    /// Name under which its values are logged, e.g. `discriminator`.
    pub name: &'static str,
    /// What it minimises, at least one term.
    pub terms: Vec<Term<B>>,
    /// Quantities that are logged but not minimised. `[batch]` each, or shorter if it has a value only
    /// for some examples
    pub monitors: Vec<(&'static str, Tensor<B, 1>)>,
}

impl<B: Backend> Player<B> {
    /// A player that minimises `weight * value`.
    ///
    /// # Shapes
    /// - `value`: `[batch]`
    pub fn new(name: &'static str, term: &'static str, value: Tensor<B, 1>, weight: f64) -> Self {
        let first = Self {
            name,
            terms: Vec::new(),
            monitors: Vec::new(),
        };
        first.with_term(term, value, weight)
    }

    /// Adds `weight * value`.
    ///
    /// # Shapes
    /// - `value`: `[batch]`
    #[must_use]
    pub fn with_term(mut self, name: &'static str, value: Tensor<B, 1>, weight: f64) -> Self {
        self.terms.push(Term {
            name,
            value,
            weight,
        });
        self
    }

    /// Adds a quantity that is logged but not minimised.
    ///
    /// # Shapes
    /// - `value`: `[batch]`, or `[examples that have one]`
    #[must_use]
    pub fn with_monitor(mut self, name: &'static str, value: Tensor<B, 1>) -> Self {
        self.monitors.push((name, value));
        self
    }

    /// The batch mean of the weighted terms. `[1]`
    pub fn total(&self) -> Tensor<B, 1> {
        let terms = self.terms.iter();
        let sum = terms.map(Term::weighted).reduce(|sum, term| sum + term);
        sum.expect("at least one term").mean()
    }
}

/// A part of an objective's gradient that is computed after the rest of it, so that the two are never
/// in memory together. Its value is of no interest.
#[derive(Clone)]
pub struct Portion<B: Backend>(Rc<dyn Fn() -> Tensor<B, 1>>);

impl<B: Backend> Portion<B> {
    /// The gradient of the batch mean of what `compute` gives, `[batch]`.
    pub fn new(compute: impl Fn() -> Tensor<B, 1> + 'static) -> Self {
        Self(Rc::new(compute))
    }

    /// The scalar to differentiate. `[1]`
    pub fn total(&self) -> Tensor<B, 1> {
        (self.0)().mean()
    }
}

impl<B: Backend> fmt::Debug for Portion<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Portion")
    }
}

impl<B: Backend> Objective<B> {
    /// An objective of the reconstruction term alone.
    ///
    /// # Shapes
    /// - `reconstruction`: `[batch]`
    pub fn new(reconstruction: Tensor<B, 1>) -> Self {
        Self {
            reconstruction,
            terms: Vec::new(),
            monitors: Vec::new(),
            codes: None,
            kl_per_unit: None,
            estimates: Vec::new(),
            active: None,
            players: Vec::new(),
            portions: Vec::new(),
            signals: Vec::new(),
            weights: None,
        }
    }

    /// The same without the share of the examples whose loss is largest, at least 0 and below 1: they get no gradient,
    /// and the total is the mean of the others. One example stays at least. (Least trimmed squares, Rousseeuw 1984, on
    /// the batch.)
    #[must_use]
    pub fn trimmed(self, share: f64) -> Self {
        let losses = self.per_example().detach();
        let [count] = losses.dims();
        let kept = ((count as f64 * (1.0 - share)) as usize).clamp(1, count);
        let are_kept = match is_card::<B>(&losses.device()) {
            true => smallest(losses, kept),
            false => smallest_on_host(losses, kept),
        };
        Self {
            weights: Some(are_kept.mul_scalar(count as f32 / kept as f32)),
            ..self
        }
    }

    /// Adds `weight * value`.
    ///
    /// # Shapes
    /// - `value`: `[batch]`, or `[1]` for a term that belongs to the batch as a whole
    #[must_use]
    pub fn with_term(mut self, name: &'static str, value: Tensor<B, 1>, weight: f64) -> Self {
        let value = self.broadcast(value);
        self.terms.push(Term {
            name,
            value,
            weight,
        });
        self
    }

    /// Adds a quantity that is logged but not minimised.
    ///
    /// # Shapes
    /// - `value`: `[batch]` or `[1]`
    #[must_use]
    pub fn with_monitor(mut self, name: &'static str, value: Tensor<B, 1>) -> Self {
        let value = self.broadcast(value);
        self.monitors.push((name, value));
        self
    }

    /// Adds a quantity that only some examples of the batch have, and that is logged but not minimised.
    ///
    /// # Shapes
    /// - `value`: `[examples that have one]`
    #[must_use]
    pub fn with_monitor_of_some(mut self, name: &'static str, value: Tensor<B, 1>) -> Self {
        self.monitors.push((name, value));
        self
    }

    /// Keeps the codes for the diagnostics of an evaluation.
    #[must_use]
    pub fn with_codes(mut self, codes: impl Into<Code<B>>) -> Self {
        self.codes = Some(codes.into());
        self
    }

    /// Gives the KL of each unit of the code, for the diagnostics of an evaluation.
    ///
    /// # Shapes
    /// - `kl`: `[batch, units]`
    #[must_use]
    pub fn with_kl_per_unit(mut self, kl: Option<Tensor<B, 2>>) -> Self {
        self.kl_per_unit = kl;
        self
    }

    /// Says which terms and monitors are Monte Carlo estimates of what has no closed form, beside
    /// the reconstruction, which always is one; names that the objective has not are of no account.
    #[must_use]
    pub fn with_estimates(mut self, names: &[&'static str]) -> Self {
        self.estimates.extend(names);
        self
    }

    /// Adds a value by which the pace of the updates decides.
    ///
    /// # Shapes
    /// - `value`: `[batch]`
    #[must_use]
    pub fn with_signal(mut self, value: Tensor<B, 1>) -> Self {
        self.signals.push(value);
        self
    }

    /// Says which units are on (1) or off (0), for the diagnostics of a sparse code.
    ///
    /// # Shapes
    /// - `active`: `[batch, latent]`
    #[must_use]
    pub fn with_active(mut self, active: Tensor<B, 2>) -> Self {
        self.active = Some(active);
        self
    }

    /// Adds what another part of the model minimises. Both are computed from the same parameters, and
    /// their gradients are added: each must be cut off (`detach`, `no_grad`) from the parameters that
    /// it is not meant for.
    #[must_use]
    pub fn with_player(mut self, player: Player<B>) -> Self {
        self.players.push(player);
        self
    }

    /// Adds a part of the gradient that is computed after the rest.
    #[must_use]
    pub fn with_portion(mut self, portion: Portion<B>) -> Self {
        self.portions.push(portion);
        self
    }

    /// `reconstruction + sum of weight * value`. `[batch]`
    pub fn per_example(&self) -> Tensor<B, 1> {
        self.terms
            .iter()
            .fold(self.reconstruction.clone(), |total, term| {
                total + term.weighted()
            })
    }

    /// The weighted batch mean of [`Objective::per_example`]: what is minimised. `[1]`
    pub fn total(&self) -> Tensor<B, 1> {
        match &self.weights {
            None => self.per_example().mean(),
            Some(weights) => (self.per_example() * weights.clone()).mean(),
        }
    }

    /// The scalar whose gradient moves every part of the model: the total with those of the players,
    /// without the portions. `[1]`
    pub fn joint_total(&self) -> Tensor<B, 1> {
        let players = self.players.iter();
        players.fold(self.total(), |total, player| total + player.total())
    }

    /// The values alone, cut off from the graph of automatic differentiation.
    pub fn inner(&self) -> Objective<B::InnerBackend>
    where
        B: AutodiffBackend,
    {
        let terms = |terms: &[Term<B>]| terms.iter().map(Term::inner).collect();
        let monitors = |monitors: &[(&'static str, Tensor<B, 1>)]| {
            let monitors = monitors.iter();
            let inner = monitors.map(|(name, value)| (*name, value.clone().inner()));
            inner.collect()
        };
        let players = self.players.iter();
        Objective {
            reconstruction: self.reconstruction.clone().inner(),
            terms: terms(&self.terms),
            monitors: monitors(&self.monitors),
            codes: None,
            kl_per_unit: None,
            estimates: self.estimates.clone(),
            active: None,
            players: players
                .map(|player| Player {
                    name: player.name,
                    terms: terms(&player.terms),
                    monitors: monitors(&player.monitors),
                })
                .collect(),
            portions: Vec::new(),
            signals: self.signals.iter().map(|s| s.clone().inner()).collect(),
            weights: None,
        }
    }

    fn broadcast(&self, value: Tensor<B, 1>) -> Tensor<B, 1> {
        let batch = self.reconstruction.dims();
        if value.dims() == batch {
            value
        } else {
            value.expand(batch)
        }
    }
}

/// 1 for the `kept` smallest of the values, of equals the first, and 0 for the others, without reading them: each is
/// compared with all.
///
/// # Shapes
/// - `values` and output: `[count]`
fn smallest<B: Backend>(values: Tensor<B, 1>, kept: usize) -> Tensor<B, 1> {
    let [count] = values.dims();
    let places = Tensor::<B, 1, Int>::arange(0..count as i64, &values.device());
    let [other, one] = [0, 1].map(|dim| values.clone().unsqueeze_dim::<2>(dim));
    let [other_place, place] = [0, 1].map(|dim| places.clone().unsqueeze_dim::<2>(dim));
    let is_before = other_place.lower(place).float();
    let is_equal = other.clone().equal(one.clone()).float();
    let before = other.lower(one).float() + is_equal * is_before; // [count, count]
    let rank = before.sum_dim(1).squeeze_dim::<1>(1);
    rank.lower_elem(kept as f32).float()
}

/// The same by sorting them.
fn smallest_on_host<B: Backend>(values: Tensor<B, 1>, kept: usize) -> Tensor<B, 1> {
    let device = values.device();
    let values: Vec<f32> = values.into_data().iter::<f32>().collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut are_kept = vec![0.0; values.len()];
    for &place in &order[..kept] {
        are_kept[place] = 1.0;
    }
    Tensor::from_data(TensorData::new(are_kept, [values.len()]), &device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    /// The third of three equals does not fit.
    #[test]
    fn the_smallest_are_the_same_without_reading_them() {
        let values = [3.0, -1.0, 3.0, 8.0, 3.0, 2.5];
        let values = Tensor::<Flex, 1>::from_floats(values, &Default::default());
        for (kept, expected) in [
            (1, [0.0, 1.0, 0.0, 0.0, 0.0, 0.0_f32]),
            (4, [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]),
            (6, [1.0; 6]),
        ] {
            let found = smallest(values.clone(), kept).into_data();
            assert_eq!(found.to_vec::<f32>().unwrap(), expected, "{kept}");
            assert_eq!(smallest_on_host(values.clone(), kept).into_data(), found);
        }
    }

    /// By hand: rows (1 + 2*3 + 0.5*8) = 11 and (2 + 2*5 + 0.5*8) = 16, mean 13.5.
    #[test]
    fn total_is_the_weighted_batch_mean() {
        let device = Default::default();
        let vector = |values: &[f32]| Tensor::<Flex, 1>::from_data(values, &device);
        let objective = Objective::new(vector(&[1.0, 2.0]))
            .with_term("kl", vector(&[3.0, 5.0]), 2.0)
            .with_term("whole_batch", vector(&[8.0]), 0.5)
            .with_monitor("watched", vector(&[100.0]));
        let total: f32 = objective.total().into_scalar();
        assert!((total - 13.5).abs() < 1e-6);
        assert_eq!(objective.monitors[0].1.dims(), [2]);
    }

    /// By hand: of 7, 1, 9, 3 the largest is left out, and (7 + 1 + 3) / 3 is what is minimised.
    #[test]
    fn the_largest_losses_are_left_out() {
        type Ad = burn_autodiff::Autodiff<Flex>;
        let device = Default::default();
        let values = Tensor::<Ad, 1>::from_floats([7.0, 1.0, 9.0, 3.0], &device).require_grad();
        let objective = Objective::new(values.clone()).trimmed(0.25);
        let total = objective.total();
        assert!((total.clone().into_scalar() - 11.0_f32 / 3.0).abs() < 1e-6);
        let gradients = values.grad(&total.backward()).unwrap();
        let gradients: Vec<f32> = gradients.into_data().to_vec().unwrap();
        for (found, expected) in gradients.into_iter().zip([1.0, 1.0, 0.0, 1.0]) {
            assert!((found - expected / 3.0_f32).abs() < 1e-6, "{found}");
        }
    }
}
