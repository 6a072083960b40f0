//! The training loop: exact resume, early stopping, several optimizers, clipping.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::toy::{FEATURES, ToyVae, data, toy_vae, weights};
use burn::{
    module::{AutodiffModule, Module, Param},
    tensor::{Tensor, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use vae_core::{
    Batch, Loss, Objective, Player, Portion, Position, Result, StepContext, Update, Updates,
    train::{
        CheckpointStore, Ending, EpochReport, Observer, OptimizerConfig, Readings, StepReport,
        TrainConfig, Trainer,
    },
};
use vae_data::Batcher;

type Ad = Autodiff<Flex>;

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 4,
        batch_size: 10,
        lr: serde_json::from_str(r#"{"kind": "cosine", "from": 0.02, "to": 0.001}"#).unwrap(),
        clip_norm: Some(5.0),
        ..TrainConfig::default()
    }
}

fn batches() -> Batcher {
    // 47 examples: the last batch of an epoch is short.
    Batcher::new(data(47), 10, 3).unwrap().shuffled()
}

fn validation() -> Batcher {
    Batcher::sequential(data(20), 20, 3)
}

fn trainer(store: &CheckpointStore, config: TrainConfig) -> Trainer<Ad, ToyVae<Ad>> {
    Trainer::new(toy_vae(1), config, 7, Default::default())
        .unwrap()
        .with_checkpoints(store.clone())
}

/// Sets the stop flag after a number of steps and keeps the losses of all steps.
struct StopAt {
    step: u64,
    flag: Arc<AtomicBool>,
    losses: Vec<f64>,
}

impl Observer for StopAt {
    fn step(&mut self, report: &StepReport<'_>) {
        self.losses.push(report.readings.get("loss").unwrap());
        if report.step == self.step {
            self.flag.store(true, Ordering::Relaxed);
        }
    }
}

fn whole_run(config: &TrainConfig) -> (Vec<f32>, Vec<f64>) {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path(), "toy");
    let mut watch = StopAt {
        step: u64::MAX,
        flag: Arc::default(),
        losses: Vec::new(),
    };
    let outcome = trainer(&store, config.clone())
        .run(&batches(), Some(&validation()), &mut watch)
        .unwrap();
    assert_eq!(outcome.ending, Ending::Finished);
    (weights(&outcome.model), watch.losses)
}

#[test]
fn resume_is_exact_wherever_the_run_stopped() {
    let optimizers = [
        r#"{"kind": "adam"}"#,
        r#"{"kind": "adamw"}"#,
        r#"{"kind": "sgd", "momentum": 0.9}"#,
        r#"{"kind": "rmsprop"}"#,
    ];
    for optimizer in optimizers {
        let optimizer: OptimizerConfig = serde_json::from_str(optimizer).unwrap();
        let config = TrainConfig {
            optimizer,
            ..config()
        };
        let (expected, losses) = whole_run(&config);
        for stop in [1, 3, 5, 12] {
            let folder = tempfile::tempdir().unwrap();
            let store = CheckpointStore::new(folder.path(), "toy");
            let flag = Arc::new(AtomicBool::new(false));
            let mut first = StopAt {
                step: stop,
                flag: flag.clone(),
                losses: Vec::new(),
            };
            let outcome = trainer(&store, config.clone())
                .with_stop_flag(flag)
                .run(&batches(), Some(&validation()), &mut first)
                .unwrap();
            assert_eq!(outcome.ending, Ending::Interrupted);

            let mut second = StopAt {
                step: u64::MAX,
                flag: Arc::default(),
                losses: Vec::new(),
            };
            let resumed = trainer(&store, config.clone()).resume().unwrap();
            assert_eq!(resumed.state().step, stop);
            let outcome = resumed
                .run(&batches(), Some(&validation()), &mut second)
                .unwrap();
            assert_eq!(outcome.ending, Ending::Finished);
            assert_eq!([first.losses, second.losses].concat(), losses);
            assert_eq!(
                weights(&outcome.model),
                expected,
                "{optimizer:?} stopped at {stop}"
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_curve_on_every_backend() {
    fn losses<B: Backend>() -> Vec<f64> {
        let mut watch = StopAt {
            step: u64::MAX,
            flag: Arc::default(),
            losses: Vec::new(),
        };
        Trainer::<Autodiff<B>, _>::new(toy_vae(1), config(), 7, Default::default())
            .unwrap()
            .run(&batches(), None, &mut watch)
            .unwrap();
        watch.losses
    }
    let (flex, ndarray) = (losses::<Flex>(), losses::<NdArray<f32>>());
    assert_eq!(flex.len(), 20);
    for (a, b) in flex.iter().zip(&ndarray) {
        assert!((a - b).abs() < 1e-4 * b.abs(), "{a} against {b}");
    }
}

#[test]
fn early_stopping_keeps_the_best_model() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path(), "toy");
    let early = TrainConfig {
        epochs: 60,
        patience: Some(2),
        lr: 0.3.into(),
        ..config()
    };
    struct Losses(Vec<f64>);
    impl Observer for Losses {
        fn epoch(&mut self, report: &EpochReport<'_>) -> Result<()> {
            self.0
                .push(report.validation.unwrap().readings.get("loss").unwrap());
            Ok(())
        }
    }
    let mut losses = Losses(Vec::new());
    let outcome = trainer(&store, early.clone())
        .run(&batches(), Some(&validation()), &mut losses)
        .unwrap();
    assert_eq!(outcome.ending, Ending::StoppedEarly);
    let best = losses.0.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(outcome.state.best.unwrap().0, best);
    assert_eq!(
        losses.0[losses.0.len() - 3],
        best,
        "two epochs after the best: {:?}",
        losses.0
    );
    let again = vae_core::train::evaluate(
        &outcome.model,
        &validation(),
        7,
        Position::start(),
        &Default::default(),
    );
    assert!((again.unwrap().readings.get("loss").unwrap() - best).abs() < 1e-6);

    // In memory, where there is no folder for checkpoints.
    let trainer = Trainer::<Ad, _>::new(toy_vae(1), early, 7, Default::default()).unwrap();
    let kept = trainer
        .run(&batches(), Some(&validation()), &mut ())
        .unwrap();
    assert_eq!(weights(&kept.model), weights(&outcome.model));
}

#[test]
fn a_checkpoint_of_another_model_and_a_damaged_one_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path(), "toy");
    trainer(&store, config())
        .run(&batches(), None, &mut ())
        .unwrap();
    let other = CheckpointStore::new(folder.path(), "something else");
    let error = trainer(&other, config()).resume().map(|_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("checkpoint of another model: toy"),
        "{error}"
    );

    let bytes = std::fs::read(store.last()).unwrap();
    for damaged in [&bytes[..bytes.len() / 2], &bytes[..3], &[]] {
        std::fs::write(store.last(), damaged).unwrap();
        let error = trainer(&store, config()).resume().map(|_| ()).unwrap_err();
        assert!(
            error.to_string().contains("is not a whole checkpoint"),
            "{error}"
        );
    }
    let mut flipped = bytes;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(store.last(), flipped).unwrap();
    let error = trainer(&store, config()).resume().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

/// A learning rate that blows up: the step and the term are named, and the checkpoint of the last
/// good epoch is left alone.
#[test]
fn a_loss_that_is_not_finite_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::new(folder.path(), "toy");
    let lr = r#"{"kind": "steps", "values": [0.001, 1e30], "at": [0.5]}"#;
    let config = TrainConfig {
        lr: serde_json::from_str(lr).unwrap(),
        clip_norm: None,
        optimizer: serde_json::from_str(r#"{"kind": "sgd"}"#).unwrap(),
        ..config()
    };
    let error = trainer(&store, config)
        .run(&batches(), None, &mut ())
        .unwrap_err();
    let text = error.to_string();
    // Half of 20 steps are done at the small rate; step 11 moves too far and step 12 sees it.
    assert!(text.contains("at step 12"), "{text}");
    assert!(
        text.contains("last good checkpoint is") && text.contains("last.ckpt"),
        "{text}"
    );
    assert_eq!(
        vae_core::train::State::read(&store.last()).unwrap().step,
        10
    );
}

/// Two parts that pull against each other, each with its own optimizer, as adversarial variants
/// have: the first lowers `(a - b)^2`, the second raises it.
#[derive(Module, Debug)]
struct Duel<B: Backend> {
    chaser: Part<B>,
    runner: Part<B>,
    #[module(skip)]
    slow_runner: bool,
}

#[derive(Module, Debug)]
struct Part<B: Backend> {
    value: Param<Tensor<B, 1>>,
}

impl<B: Backend> Duel<B> {
    fn new(chaser: f32, runner: f32) -> Self {
        let part = |value: f32| Part {
            value: Param::from_data([value], &Default::default()),
        };
        Self {
            chaser: part(chaser),
            runner: part(runner),
            slow_runner: false,
        }
    }
}

impl<B: Backend> Loss<B> for Duel<B> {
    fn loss(&self, batch: &Batch<B>, _step: &StepContext) -> Objective<B> {
        let (chaser, runner) = (self.chaser.value.val(), self.runner.value.val());
        let distance = |chaser: Tensor<B, 1>, runner: Tensor<B, 1>| {
            (chaser - runner).square().expand([batch.len()])
        };
        let away = distance(chaser.clone().detach(), runner.clone()).neg();
        Objective::new(distance(chaser, runner.detach()))
            .with_player(Player::new("runner", "away", away, 1.0))
    }

    fn updates(&self, _stage: usize) -> Updates {
        let runner = Update::of("runner", &self.runner);
        Updates::together(vec![
            Update::of("chaser", &self.chaser),
            match &self.slow_runner {
                true => runner.with_rate(0.5),
                false => runner,
            },
        ])
    }
}

/// By hand, with SGD at rate 0.1 and no momentum from (0, 1): the chaser moves by
/// `-0.1 * 2 (0 - 1) = 0.2`, and the runner, which sees the same distance, by `0.1 * 2 * 1 = 0.2`.
#[test]
fn several_optimizers_move_their_own_parameters() {
    let config = TrainConfig {
        epochs: 1,
        max_steps: Some(1),
        batch_size: 10,
        lr: 0.1.into(),
        optimizer: serde_json::from_str(r#"{"kind": "sgd", "momentum": 0.0}"#).unwrap(),
        ..TrainConfig::default()
    };
    for (slow_runner, runner) in [(false, 1.2), (true, 1.1)] {
        let model = Duel::<Ad> {
            slow_runner,
            ..Duel::new(0.0, 1.0)
        };
        let mut seen = Seen::default();
        let outcome = Trainer::<Ad, _>::new(model, config.clone(), 1, Default::default())
            .unwrap()
            .run(&batches(), None, &mut seen)
            .unwrap();
        let moved = weights(&outcome.model);
        assert!(
            (moved[0] - 0.2).abs() < 1e-6 && (moved[1] - runner).abs() < 1e-6,
            "{moved:?}"
        );
        assert_eq!(seen.0.get("loss"), Some(1.0));
        assert_eq!(seen.0.get("runner.loss"), Some(-1.0));
    }
}

/// The values of the last step.
#[derive(Default)]
struct Seen(Readings);

impl Observer for Seen {
    fn step(&mut self, report: &StepReport<'_>) {
        self.0 = report.readings.clone();
    }
}

/// `(x - 3)^2` whose gradient comes in portions: a quarter at first, then a quarter and a half.
#[derive(Module, Debug)]
struct Portioned<B: Backend> {
    part: Part<B>,
    #[module(skip)]
    whole: bool,
}

impl<B: Backend> Loss<B> for Portioned<B> {
    fn loss(&self, batch: &Batch<B>, _step: &StepContext) -> Objective<B> {
        let length = batch.len();
        let x = self.part.value.val();
        let share = move |x: Tensor<B, 1>, share: f64| {
            x.sub_scalar(3.0)
                .square()
                .mul_scalar(share)
                .expand([length])
        };
        if self.whole {
            return Objective::new(share(x, 1.0));
        }
        let rest = [0.25, 0.5].map(|size| {
            let x = x.clone();
            Portion::new(move || share(x.clone(), size))
        });
        let value = share(x.clone().detach(), 0.75);
        let first = Objective::new(value + share(x, 0.25));
        rest.into_iter().fold(first, Objective::with_portion)
    }
}

#[test]
fn portions_add_up_to_the_whole_gradient() {
    let train = |whole| {
        let config = TrainConfig {
            epochs: 1,
            batch_size: 10,
            ..config()
        };
        let Duel { chaser: part, .. } = Duel::<Ad>::new(1.0, 0.0);
        let model = Portioned { part, whole };
        let outcome = Trainer::<Ad, _>::new(model, config, 1, Default::default())
            .unwrap()
            .run(&batches(), None, &mut ())
            .unwrap();
        weights(&outcome.model)
    };
    let (whole, portions) = (train(true), train(false));
    assert!(whole[0] > 1.0, "{whole:?}");
    assert!(
        (whole[0] - portions[0]).abs() < 1e-6,
        "{whole:?} {portions:?}"
    );
}

/// By hand: from (0, 3) the chaser's gradient is -6; limits of 0.5 and 0.25 leave steps of
/// 0.1 * 0.5 and 0.1 * 0.25.
#[test]
fn gradients_are_clipped() {
    for (value, norm, expected) in [(Some(0.5), None, 0.05), (None, Some(0.25), 0.025)] {
        let config = TrainConfig {
            epochs: 1,
            max_steps: Some(1),
            batch_size: 10,
            lr: 0.1.into(),
            optimizer: serde_json::from_str(r#"{"kind": "sgd"}"#).unwrap(),
            clip_value: value,
            clip_norm: norm,
            ..TrainConfig::default()
        };
        let outcome = Trainer::<Ad, _>::new(Duel::new(0.0, 3.0), config, 1, Default::default())
            .unwrap()
            .run(&batches(), None, &mut ())
            .unwrap();
        let moved = weights(&outcome.model);
        assert!((moved[0] - expected).abs() < 1e-6, "{moved:?}");
    }
}

/// Evaluations see neither dropout nor fresh noise.
#[test]
fn an_evaluation_repeats_exactly() {
    let model = toy_vae::<Ad>(1).valid();
    let evaluate = || {
        vae_core::train::evaluate(
            &model,
            &validation(),
            7,
            Position::start(),
            &Default::default(),
        )
        .unwrap()
    };
    let first = evaluate();
    assert_eq!(first, evaluate());
    assert_eq!(first.examples, 20);
    let latent = first.latent.unwrap();
    let kl: f64 = latent.kl_per_dimension.unwrap().iter().sum();
    assert!((kl - first.readings.get("kl").unwrap()).abs() < 1e-5);
    assert_eq!(FEATURES, 6);
}
