//! `vae bench`: how long a training step takes, or the use of a trained model.

use std::hint::black_box;
use std::io::BufRead;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use burn::tensor::{Int, Tensor};
use burn_flex::Flex;
use clap::{Args, ValueEnum};
use serde_json::json;
use vae_core::nets::Upsample;
use vae_core::train::{Observer, StepReport, TrainConfig};
use vae_data::NoProgress;
use vae_variants::{Caller, Description, Ops, Recipe, Trained, prepare};

use super::train::{describe, load_data, open_codes_of};
use crate::options::Format;
use crate::settings::{LayerArgs, resolve};

/// Steps before the clock starts.
const WARM_UP: usize = 20;
/// Codes for each example when a likelihood is estimated.
const IMPORTANCE_SAMPLES: usize = 50;

/// Time training steps with the settings given; writes no file
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  vae bench --hidden 512 --batch-size 128
  vae bench --hidden 512 --batch-size 128 --ops reference
Next: `cargo xtask bench`, in the source of this program, compares with PyTorch and JAX.")]
pub struct BenchArgs {
    /// The settings given.
    #[command(flatten)]
    pub layers: LayerArgs,
    /// A training step, the mean codes of a batch, or an estimate of its likelihood from 50 codes for each
    /// example
    #[arg(long, default_value = "train", help_heading = HEADING)]
    pub work: Work,
    /// How many rounds
    #[arg(long, value_name = "N", default_value = "10", value_parser = number, help_heading = HEADING)]
    pub rounds: usize,
    /// Steps of a round
    #[arg(long, value_name = "N", default_value = "100", value_parser = number, help_heading = HEADING)]
    pub steps: usize,
    /// Wait for a line of the standard input before each round, to take turns
    #[arg(long, help_heading = HEADING)]
    pub turns: bool,
    /// Form of the output
    #[arg(long, default_value = "text", help_heading = HEADING)]
    pub format: Format,
}

const HEADING: &str = "Benchmark";

fn number(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=1_000_000).contains(n));
    number.ok_or_else(|| "a whole number from 1 to 1000000 is needed".to_owned())
}

/// What `vae bench` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Training steps.
    Train,
    /// Encoding.
    Encode,
    /// Estimating the likelihood by importance sampling.
    Importance,
}

/// Times training steps with the settings given, on their data, and writes no file.
///
/// # Errors
/// Anything that keeps the model from training.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    let resolved = resolve(&args.layers)?;
    let settings = &resolved.settings;
    let threads = prepare(settings.threads, settings.ops, Caller::Works)?;
    let codes_of = open_codes_of(settings)?;
    let data = load_data(settings, codes_of.as_ref(), &NoProgress)?;
    let description = describe(&resolved, &data)?;
    let mut clock = Clock {
        args,
        batch: settings.train.batch_size,
        floor: None,
        seen: 0,
        last: Instant::now(),
        round: Vec::with_capacity(args.steps),
        rounds: Vec::new(),
        done: Arc::default(),
    };
    let name = description.variant.info().name;
    if args.format == Format::Text {
        println!(
            "{name} on {}: {} backend, {} operations, {threads} threads, batches of {}",
            data.name,
            settings.backend,
            match settings.ops {
                Ops::Fast => "fast",
                Ops::Reference => "reference",
            },
            settings.train.batch_size,
        );
    }
    let steps = clock.steps();
    let train = TrainConfig {
        epochs: steps,
        max_steps: Some(steps as u64),
        patience: None,
        checkpoint_steps: None,
        ..settings.train.clone()
    };
    let recipe = Recipe::new(description.clone(), &data, train, settings.seed)?.beside(threads);
    let blame = |error| resolved.blame(error);
    match args.work {
        Work::Train => {
            let session = recipe.session(settings.backend).map_err(blame)?;
            clock.floor = Some(Floor::of(&description, clock.batch)?);
            // Or what follows the main training would be timed too.
            let session = session.with_stop_flag(clock.done.clone());
            session.without_validation().run(&mut clock)?;
        }
        Work::Encode | Work::Importance => {
            let model = Trained::fresh(&description, settings.seed, settings.backend);
            let model = model.map_err(blame)?;
            if args.work == Work::Importance && !model.gives_likelihood() {
                bail!(
                    "--work importance needs a variant with a Gaussian posterior, which {name} has not: \
                     try --variant vae"
                );
            }
            let examples = model.examples_of_split(&data.train)?.seed(settings.seed);
            let examples = examples.batch_size(clock.batch);
            while clock.seen < steps {
                match args.work {
                    Work::Importance => {
                        let batches = model.nll(&examples, IMPORTANCE_SAMPLES)?;
                        clock.watch(batches.map(|batch| Ok(batch?.len())))?;
                    }
                    _ => {
                        let (batches, latent) = (model.encode(&examples), model.latent());
                        clock.watch(batches.map(|batch| Ok(batch?.mean.len() / latent)))?;
                    }
                }
            }
        }
    }
    if args.format == Format::Text {
        clock.print();
    }
    Ok(ExitCode::SUCCESS)
}

/// Milliseconds a step.
struct Round {
    median: f64,
    least: f64,
    /// Of the matrix products alone, for a training step.
    floor: Option<f64>,
}

/// Takes the times.
struct Clock<'a> {
    args: &'a BenchArgs,
    batch: usize,
    floor: Option<Floor>,
    seen: usize,
    last: Instant,
    round: Vec<Duration>,
    rounds: Vec<Round>,
    /// Whether all steps have been timed.
    done: Arc<AtomicBool>,
}

impl Observer for Clock<'_> {
    fn step(&mut self, report: &StepReport<'_>) {
        self.tick(report.examples);
    }
}

impl Clock<'_> {
    /// How many steps there are in all.
    fn steps(&self) -> usize {
        WARM_UP + self.args.rounds * self.args.steps
    }

    /// Ticks for batch after batch, given as the number of its examples, until all steps are done.
    fn watch(&mut self, batches: impl Iterator<Item = Result<usize>>) -> Result<()> {
        for examples in batches.take(self.steps() - self.seen) {
            self.tick(examples?);
        }
        Ok(())
    }

    /// A step of so many examples has ended.
    fn tick(&mut self, examples: usize) {
        let took = self.last.elapsed();
        self.seen += 1;
        if self.seen == 1 && self.args.turns {
            println!("{}", json!({ "first_step": true }));
        }
        // The last batch of an epoch may be smaller.
        if self.seen > WARM_UP && examples == self.batch {
            self.round.push(took);
        }
        if self.seen == WARM_UP {
            self.wait();
        } else if self.seen > WARM_UP && (self.seen - WARM_UP).is_multiple_of(self.args.steps) {
            self.end_round();
            self.wait();
        }
        if self.seen == self.steps() {
            self.done.store(true, Ordering::Relaxed);
        }
        self.last = Instant::now();
    }

    fn end_round(&mut self) {
        if self.round.is_empty() {
            return;
        }
        self.round.sort_unstable();
        let milliseconds = |duration: Duration| 1e3 * duration.as_secs_f64();
        let round = Round {
            median: milliseconds(self.round[self.round.len() / 2]),
            least: milliseconds(self.round[0]),
            floor: self.floor.as_ref().map(|floor| milliseconds(floor.time())),
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
        let median = |values: Vec<f64>| {
            let mut values = values;
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        let Some(step) = median(self.rounds.iter().map(|round| round.median).collect()) else {
            println!("no batch was full: pass a smaller --batch-size");
            return;
        };
        let least = self.rounds.iter().map(|round| round.least);
        println!(
            "a {} takes {step:.3} ms (median of {} rounds of {} steps; the least {:.3} ms): {:.0} \
             samples/s",
            match self.args.work {
                Work::Train => "step",
                Work::Encode | Work::Importance => "batch",
            },
            self.rounds.len(),
            self.args.steps,
            least.fold(f64::INFINITY, f64::min),
            1e3 * self.batch as f64 / step,
        );
        if let Some(floor) = median(self.rounds.iter().filter_map(|round| round.floor).collect()) {
            println!(
                "the matrix products of its layers alone take {floor:.3} ms; the step is {:.2} \
                 times that",
                step / floor
            );
        }
    }
}

/// The matrix products of the layers, forward and backward, through Burn's own `matmul`: what a step
/// must at least do. Those of a convolution are on its unfolded input.
struct Floor {
    /// `[rows, inputs, outputs]` of each weight.
    layers: Vec<[usize; 3]>,
}

impl Floor {
    fn of(description: &Description, batch: usize) -> Result<Self> {
        let mut kernels = Vec::new();
        let mut dense = Vec::new();
        for (name, dims) in description.tensors()? {
            match *dims.as_slice() {
                [inputs, outputs] => dense.push([batch, inputs, outputs]),
                [coarse, fine, height, width] => {
                    let rows = batch * places(description, &name);
                    kernels.push([rows, fine * height * width, coarse]);
                }
                _ => {}
            }
        }
        kernels.append(&mut dense);
        Ok(Self { layers: kernels })
    }

    /// How long all products take: of each layer, the median of some tries.
    fn time(&self) -> Duration {
        let device = Default::default();
        let matrix = |rows: usize, columns: usize| {
            let values = Tensor::<Flex, 1, Int>::arange(0..(rows * columns) as i64, &device);
            (values.float() * 0.37).sin().reshape([rows, columns])
        };
        let layers = self.layers.iter().enumerate();
        let times = layers.map(|(layer, &[rows, inputs, outputs])| {
            let (x, weight) = (matrix(rows, inputs), matrix(inputs, outputs));
            let gradient = matrix(rows, outputs);
            let mut times = [Duration::ZERO; 7];
            for time in &mut times {
                let started = Instant::now();
                black_box(x.clone().matmul(weight.clone()));
                black_box(x.clone().transpose().matmul(gradient.clone()));
                // Nobody asks for the gradient of the data.
                if layer > 0 {
                    black_box(gradient.clone().matmul(weight.clone().transpose()));
                }
                *time = started.elapsed();
            }
            times.sort_unstable();
            times[times.len() / 2]
        });
        times.sum()
    }
}

/// How often the convolution whose weight has this name applies its kernel to an image.
fn places(description: &Description, name: &str) -> usize {
    let Some([_, height, width]) = description.shape.image() else {
        return 0;
    };
    let pixels = |halved: usize| (height >> halved) * (width >> halved);
    let model = &description.model;
    let layer = name.split_once("convs.").and_then(|(_, rest)| {
        let number = rest.split('.').next();
        number.and_then(|number| number.parse::<usize>().ok())
    });
    // A transposed convolution is counted where its input is.
    let keeps_size = name.contains(".residual.") || model.upsample == Upsample::Resize;
    match layer {
        // The convolutions around a code on a grid.
        None => pixels(model.channels.len()),
        Some(layer) if name.contains("decoder") => {
            pixels(model.channels.len() - layer - usize::from(keeps_size))
        }
        Some(layer) => pixels(layer + 1),
    }
}
