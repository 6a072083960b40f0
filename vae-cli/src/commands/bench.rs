//! `vae bench`: how long a training step takes.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, backend::Backend};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use serde_json::json;
use vae_core::train::{Observer, StepReport, TrainConfig, Trainer};
use vae_data::{Data, NoProgress, load};
use vae_variants::{Description, Model};

use super::train::{describe, training_batches};
use crate::backend::{self, Job};
use crate::options::{BenchArgs, Format};
use crate::settings::{Resolved, resolve};

/// Steps before the clock starts.
const WARM_UP: usize = 20;

/// Times training steps with the settings given, on their data, and writes no file.
///
/// # Errors
/// Anything that keeps the model from training.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    let resolved = resolve(&args.layers)?;
    let settings = &resolved.settings;
    let threads = backend::prepare(settings.threads, settings.ops)?;
    let data = load(&settings.data, settings.seed, &NoProgress)?;
    let description = describe(&resolved, &data)?;
    let job = Bench {
        args,
        resolved: &resolved,
        data: &data,
        description: &description,
        threads,
    };
    backend::run(settings.backend, job)?;
    Ok(ExitCode::SUCCESS)
}

struct Bench<'a> {
    args: &'a BenchArgs,
    resolved: &'a Resolved,
    data: &'a Data,
    description: &'a Description,
    threads: usize,
}

impl Job for Bench<'_> {
    type Output = ();

    fn run<B: Backend>(self, device: B::Device) -> Result<()> {
        let settings = &self.resolved.settings;
        let model: Model<Autodiff<B>> = self
            .description
            .build(settings.seed, &device)
            .map_err(|error| self.resolved.blame(error))?;
        let batches = training_batches(self.resolved, self.data, self.description, self.threads)?;
        let steps = WARM_UP + self.args.rounds * self.args.steps;
        let train = TrainConfig {
            epochs: steps,
            max_steps: Some(steps as u64),
            patience: None,
            checkpoint_steps: None,
            ..settings.train.clone()
        };
        let floor = Floor::of(&model, settings.train.batch_size);
        let mut clock = Clock {
            args: self.args,
            batch: settings.train.batch_size,
            floor,
            seen: 0,
            last: Instant::now(),
            round: Vec::with_capacity(self.args.steps),
            rounds: Vec::new(),
        };
        if self.args.format == Format::Text {
            println!(
                "{} on {}: {} backend, {} operations, {} threads, batches of {}",
                self.description.variant.info().name,
                self.data.name,
                settings.backend,
                match settings.ops {
                    crate::settings::Ops::Fast => "fast",
                    crate::settings::Ops::Reference => "reference",
                },
                self.threads,
                settings.train.batch_size,
            );
        }
        Trainer::new(model, train, settings.seed, device)?.run(&batches, None, &mut clock)?;
        if self.args.format == Format::Text {
            clock.print();
        }
        Ok(())
    }
}

/// Milliseconds a step.
struct Round {
    median: f64,
    least: f64,
    /// Of the matrix products alone.
    floor: f64,
}

/// Takes the times.
struct Clock<'a> {
    args: &'a BenchArgs,
    batch: usize,
    floor: Floor,
    seen: usize,
    last: Instant,
    round: Vec<Duration>,
    rounds: Vec<Round>,
}

impl Observer for Clock<'_> {
    fn step(&mut self, report: &StepReport<'_>) {
        let took = self.last.elapsed();
        self.seen += 1;
        // The last batch of an epoch may be smaller.
        if self.seen > WARM_UP && report.examples == self.batch {
            self.round.push(took);
        }
        if self.seen == WARM_UP {
            self.wait();
        } else if self.seen > WARM_UP && (self.seen - WARM_UP).is_multiple_of(self.args.steps) {
            self.end_round();
            self.wait();
        }
        self.last = Instant::now();
    }
}

impl Clock<'_> {
    fn end_round(&mut self) {
        if self.round.is_empty() {
            return;
        }
        self.round.sort_unstable();
        let milliseconds = |duration: Duration| 1e3 * duration.as_secs_f64();
        let round = Round {
            median: milliseconds(self.round[self.round.len() / 2]),
            least: milliseconds(self.round[0]),
            floor: milliseconds(self.floor.time()),
        };
        if self.args.format == Format::Json {
            let line = json!({
                "median_ms": round.median,
                "min_ms": round.least,
                "floor_ms": round.floor,
                "steps": self.round.len(),
            });
            println!("{line}");
        }
        self.round.clear();
        self.rounds.push(round);
    }

    /// Waits for a line, so that rounds of several programs can take turns.
    fn wait(&self) {
        if self.args.turns && self.rounds.len() < self.args.rounds {
            println!("{}", json!({ "ready": true }));
            // What cannot be read any more is the word to go on.
            let _ = std::io::stdin().lock().read_line(&mut String::new());
        }
    }

    fn print(&self) {
        let median = |of: fn(&Round) -> f64| {
            let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let step = median(|round| round.median);
        let least = self.rounds.iter().map(|round| round.least);
        println!(
            "a step takes {step:.3} ms (median of {} rounds of {} steps; the least {:.3} ms): {:.0} \
             samples/s",
            self.rounds.len(),
            self.args.steps,
            least.fold(f64::INFINITY, f64::min),
            1e3 * self.batch as f64 / step,
        );
        let floor = median(|round| round.floor);
        println!(
            "the matrix products of its dense layers alone take {floor:.3} ms; the step is {:.2} \
             times that",
            step / floor
        );
    }
}

/// The matrix products of the dense layers, forward and backward: what a step must at least do.
struct Floor {
    products: Vec<[Tensor<Flex, 2>; 2]>,
}

impl Floor {
    /// Every weight matrix, in the order of the module, but for the gradient of the first input.
    fn of<B: Backend>(model: &impl Module<B>, batch: usize) -> Self {
        let mut shapes = Shapes(Vec::new());
        model.visit(&mut shapes);
        let device = Default::default();
        let matrix = |rows: usize, columns: usize| {
            let values =
                Tensor::<Flex, 1, burn::tensor::Int>::arange(0..(rows * columns) as i64, &device);
            (values.float() * 0.37).sin().reshape([rows, columns])
        };
        let mut products = Vec::new();
        for (layer, [inputs, outputs]) in shapes.0.into_iter().enumerate() {
            let (x, weight) = (matrix(batch, inputs), matrix(inputs, outputs));
            let gradient = matrix(batch, outputs);
            products.push([x.clone(), weight.clone()]);
            products.push([x.transpose(), gradient.clone()]);
            if layer > 0 {
                products.push([gradient, weight.transpose()]);
            }
        }
        Self { products }
    }

    /// How long all products take: the median of some tries.
    fn time(&self) -> Duration {
        let mut times = [Duration::ZERO; 15];
        for time in &mut times {
            let started = Instant::now();
            for [a, b] in &self.products {
                std::hint::black_box(a.clone().matmul(b.clone()));
            }
            *time = started.elapsed();
        }
        times.sort_unstable();
        times[times.len() / 2]
    }
}

/// `[inputs, outputs]` of the weight matrices of a module.
struct Shapes(Vec<[usize; 2]>);

impl<B: Backend> ModuleVisitor<B> for Shapes {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<B, D>>) {
        if let Ok(shape) = parameter.val().dims().as_slice().try_into() {
            self.0.push(shape);
        }
    }
}
