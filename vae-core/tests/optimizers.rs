//! Our optimizers against Burn's own implementations of the same rules.

use burn::{
    optim::{AdamConfig, AdamWConfig, SimpleOptimizer},
    tensor::Tensor,
};
use burn_flex::Flex;
use vae_core::train::OptimizerConfig;

type Vector = Tensor<Flex, 1>;

/// Twenty steps on `sum(x^4 / 4 - x)`, whose gradient is `x^3 - 1`.
fn descend<S>(step: impl Fn(f64, Vector, Vector, Option<S>) -> (Vector, Option<S>)) -> Vec<f32> {
    let mut x = Vector::from_data([-2.0, 0.1, 3.0], &Default::default());
    let mut state = None;
    for number in 0..20 {
        let gradient = x.clone().powi_scalar(3).sub_scalar(1.0);
        let lr = 0.05 / (1.0 + f64::from(number));
        (x, state) = step(lr, x, gradient, state);
    }
    x.into_data().to_vec().unwrap()
}

fn assert_equal<O: SimpleOptimizer<Flex>>(ours: &str, theirs: &O) {
    let config: OptimizerConfig = serde_json::from_str(ours).unwrap();
    let values = descend(|lr, x, gradient, memory| {
        let (x, memory) = config.step(lr, x, gradient, memory);
        (x, Some(memory))
    });
    let theirs = descend(|lr, x, gradient, state| theirs.step(lr, x, gradient, state));
    for (a, b) in values.iter().zip(&theirs) {
        assert!(
            (a - b).abs() < 2e-6 * b.abs().max(1.0),
            "{ours}: {a} against {b}"
        );
    }
}

#[test]
fn adam() {
    let theirs = AdamConfig::new().with_epsilon(1e-8).build();
    assert_equal(r#"{"kind": "adam"}"#, &theirs);
}

#[test]
fn adamw() {
    let theirs = AdamWConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(0.1)
        .build();
    assert_equal(r#"{"kind": "adamw", "weight_decay": 0.1}"#, &theirs);
}

/// By hand, two steps with momentum 0.5 and rate 0.1 on gradients 1 then 2:
/// updates 1 and 2.5, so -0.35 in all.
#[test]
fn sgd_with_momentum() {
    let config: OptimizerConfig =
        serde_json::from_str(r#"{"kind": "sgd", "momentum": 0.5}"#).unwrap();
    let device = Default::default();
    let vector = |v: f32| Vector::from_data([v], &device);
    let (x, state) = config.step(0.1, vector(0.0), vector(1.0), None);
    let (x, _) = config.step(0.1, x, vector(2.0), Some(state));
    assert!((x.into_scalar() + 0.35).abs() < 1e-6);
}

/// By hand, one step of RMSProp at rate 0.1, rho 0.9, epsilon 0 on gradient 2:
/// mean square 0.4, step 0.1 * 2 / sqrt(0.4).
#[test]
fn rmsprop() {
    let config: OptimizerConfig =
        serde_json::from_str(r#"{"kind": "rmsprop", "rho": 0.9, "epsilon": 0.0}"#).unwrap();
    let device = Default::default();
    let (zero, two) = (
        Vector::from_data([0.0], &device),
        Vector::from_data([2.0], &device),
    );
    let (x, _) = config.step(0.1, zero, two, None);
    assert!((x.into_scalar() + 0.2 / 0.4_f32.sqrt()).abs() < 1e-6);
}
