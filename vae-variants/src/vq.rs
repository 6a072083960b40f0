//! The VQ-VAE (van den Oord 2017, "Neural discrete representation learning"): a code is a grid of cells,
//! each the nearest of a codebook's entries, `z_q = e_k` with `k = argmin_j |z_e - e_j|^2` (eq. 1 and 2).
//! Minimise
//!
//! `-log p(x|z_q) + beta |z_e - sg(z_q)|^2`
//!
//! (eq. 3), where `sg` lets no gradient through, and the decoder's gradient passes from `z_q` to `z_e` as if
//! they were the same. Both terms are sums, over features and over the numbers of all cells. The entries
//! follow the cells by moving averages (appendix A.1; Razavi 2019, "Generating diverse high-fidelity images
//! with VQ-VAE-2"), which takes the place of the middle term of eq. 3.
//!
//! When that is trained, a prior over the indices is: minimise `-log p(k)`. Networks and codebook stand
//! still meanwhile. New codes are drawn from it.

mod codebook;
mod index_prior;
#[cfg(test)]
mod tests;

use burn::{
    module::{Module, list_param_ids},
    tensor::{Tensor, backend::Backend},
};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Code, CodeKind, CodeShape, Grid, Method, ModelSpec, Moved, Objective, Parts, PriorKind,
    Result, Schedule, Stage, StepContext, Update, Updates, VariantConfig,
    error::check,
    nets::{Init, ModelConfig, places},
    ops::squared_error,
    train::OptimizerConfig,
};
use vae_data::{
    DataShape,
    bounds::{BELOW_1, finite},
};

use crate::deterministic::decoded;
use codebook::Codebook;
use index_prior::IndexPrior;

/// Numbers of a codebook, or of a layer of the prior; more would not fit any memory.
const MOST_NUMBERS: usize = 1 << 28;
/// Numbers of the code of a dense network.
const MOST_WIDE: usize = 1 << 18;
/// Width of the prior's network.
const MOST_HIDDEN: usize = 1 << 14;

/// Options of the VQ-VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Vq {
    /// Entries of the codebook, at least 2.
    #[garde(range(min = 2))]
    pub codes: usize,
    /// Numbers of an entry, at least 1; the code is one entry for each cell, and --latent has no
    /// meaning.
    #[garde(range(min = 1, max = MOST_WIDE))]
    pub code_width: usize,
    /// Cells of the code of a dense network, at least 1; of a convolutional one they are the places of
    /// its last feature map.
    #[garde(range(min = 1))]
    pub groups: usize,
    /// Weight of the squared distance from the encoder's output to the entries, at least 0. A number or
    /// a schedule.
    #[garde(dive)]
    pub commitment: Schedule,
    /// Decay of the moving averages that the entries are, at least 0 and below 1.
    #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
    pub decay: f64,
    /// Move an entry to a random cell when fewer cells of a batch are near it by its moving average, at
    /// least 0; 0 for never.
    #[garde(range(min = 0.0), custom(finite))]
    pub restart: f64,
    /// Epochs in which the prior over the codes is trained after the rest; 0 for no prior, and so no
    /// samples.
    pub prior_epochs: usize,
    /// Width of the prior's network, at least 1.
    #[garde(range(min = 1, max = MOST_HIDDEN))]
    pub prior_hidden: usize,
}

impl Default for Vq {
    fn default() -> Self {
        Self {
            codes: 512,
            code_width: 16,
            groups: 16,
            commitment: Schedule::Constant(0.25),
            decay: 0.99,
            restart: 1.0,
            prior_epochs: 10,
            prior_hidden: 128,
        }
    }
}

impl VariantConfig for Vq {
    const NAME: &'static str = "vq";
    const SUMMARY: &'static str = "autoencoder with codes from a codebook, and a prior over them";
    const PAPER: &'static str = "van den Oord 2017; Razavi 2019";
    const EXAMPLE: &'static str = "--variant vq --arch conv";
    const PRIORS: &'static [PriorKind] = &[];

    type Method<B: Backend> = Quantizer<B>;

    fn check_together(&self) -> Result<()> {
        let width = self.code_width;
        let most = MOST_WIDE / width;
        let bound = format!("at least 1 and at most {most}");
        check("variant.groups", self.groups, self.groups <= most, &bound)?;
        let numbers = match self.prior_epochs {
            0 => width,
            _ => width.max(self.prior_hidden),
        };
        let most = MOST_NUMBERS / numbers;
        let bound = format!(
            "at least 2 and at most {most}: with {numbers} numbers for each, in the codebook or in the \
             prior, more would not fit in memory"
        );
        let inside = (2..=most).contains(&self.codes);
        check("variant.codes", self.codes, inside, &bound)
    }

    fn code(&self, model: &ModelConfig, shape: &DataShape) -> Result<CodeShape> {
        let cells = match places(model, shape)? {
            Some([height, width]) => height * width,
            None => self.groups,
        };
        let latent = cells * self.code_width;
        Ok(CodeShape {
            kind: CodeKind::Grid(self.code_width),
            latent,
            prior: latent,
            extra: 0,
        })
    }

    fn fits(&self, spec: &ModelSpec) -> Result<()> {
        let aggressive = spec.objective.aggressive;
        let none = "0 for vq, whose code has no distribution";
        check("objective.aggressive", aggressive, aggressive == 0, none)
    }

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Quantizer<B>> {
        let cells = spec.code.latent / self.code_width;
        let codebook = Codebook::init(self.codes, self.code_width, init);
        let prior = (self.prior_epochs > 0)
            .then(|| IndexPrior::init(self.codes, cells, self.prior_hidden, init));
        Ok(Quantizer {
            codebook,
            prior,
            options: self.clone(),
        })
    }
}

/// What a VQ-VAE has beside its parts.
#[derive(Module, Debug)]
pub struct Quantizer<B: Backend> {
    codebook: Codebook<B>,
    prior: Option<IndexPrior<B>>,
    #[module(skip)]
    options: Vq,
}

impl<B: Backend> Quantizer<B> {
    /// The nearest entry for each cell.
    ///
    /// # Shapes
    /// - `encoded`: `[batch, cells * width]`
    fn quantize(&self, encoded: Tensor<B, 2>) -> Grid<B> {
        let [batch, numbers] = encoded.dims();
        let [codes, width] = self.codebook.dims();
        let cells = numbers / width;
        let rows = encoded.clone().detach().reshape([batch * cells, width]);
        let indices = self.codebook.nearest(rows);
        let entries = self.codebook.at(indices.clone()).detach();
        Grid {
            entries: entries.reshape([batch, numbers]),
            indices: indices.reshape([batch, cells]),
            encoded,
            codes,
        }
    }

    /// `-log p(k)` of the codes of the examples, where nothing but the prior is trained.
    fn prior_loss(
        &self,
        prior: &IndexPrior<B>,
        parts: &impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Objective<B> {
        let still = parts.clone().no_grad();
        let codes = self.quantize(still.encode(batch, &step.still()));
        Objective::new(prior.nll(codes.indices.clone())).with_codes(Code::Grid(codes).detach())
    }
}

/// The entries, with a gradient that goes to what they were chosen for: `z_e + sg(z_q - z_e)`.
///
/// # Shapes
/// - output: `[batch, cells * width]`
fn straight_through<B: Backend>(codes: &Grid<B>) -> Tensor<B, 2> {
    let encoded = codes.encoded.clone();
    encoded.clone() + (codes.entries.clone() - encoded).detach()
}

impl<B: Backend> Method<B> for Quantizer<B> {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        if let (Some(prior), 1..) = (&self.prior, step.stage) {
            return self.prior_loss(prior, parts, batch, step);
        }
        let codes = self.quantize(parts.encode(batch, step));
        let beta = self.options.commitment.at(step.step, step.total_steps);
        let distance = squared_error(codes.encoded.clone(), codes.entries.clone());
        let objective = decoded(parts, straight_through(&codes), batch, step).with_term(
            "commitment",
            distance,
            beta,
        );
        let objective = match &self.prior {
            Some(prior) if !step.is_training() && prior.is_trained() => {
                objective.with_monitor("index_nll", prior.nll(codes.indices.clone()))
            }
            _ => objective,
        };
        objective.with_codes(Code::Grid(codes))
    }

    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        Code::Grid(self.quantize(parts.encode(batch, step)))
    }

    fn is_generative(&self) -> bool {
        self.prior.is_some()
    }

    /// Each cell of a code is drawn from the prior, given those before it.
    fn sample(
        &self,
        parts: &impl Parts<B>,
        count: usize,
        step: &StepContext,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let prior = self
            .prior
            .as_ref()
            .expect("sampled only where there is a prior");
        let indices = prior.sample(count, step, device).flatten::<1>(0, 1);
        let numbers = parts.shared().latent;
        self.codebook.at(indices).reshape([count, numbers])
    }

    fn gives_likelihood(&self) -> bool {
        false
    }

    fn updates(&self, _parts: &impl Parts<B>, stage: usize) -> Updates {
        let prior = self.prior.as_ref();
        Updates::together(vec![match (prior, stage) {
            (Some(prior), 1..) => {
                Update::of("prior", prior).with_optimizer(OptimizerConfig::default())
            }
            _ => {
                let others = prior.map(list_param_ids).unwrap_or_default();
                Update::new("model", Moved::AllBut(others))
            }
        }])
    }

    fn later_stages(&self) -> Vec<Stage> {
        let prior = Stage {
            name: "prior",
            epochs: self.options.prior_epochs,
        };
        self.prior.iter().map(|_| prior.clone()).collect()
    }

    fn prepare(self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Self {
        let encoded = parts.clone().no_grad().encode(batch, step).detach();
        let [_, width] = self.codebook.dims();
        let cells = encoded.dims()[1] / width;
        let cells = encoded.reshape([batch.len() * cells, width]);
        Self {
            codebook: self.codebook.prepare(&cells, step),
            ..self
        }
    }

    fn after_step(self, codes: Option<Code<B>>, step: &StepContext) -> Self {
        match (codes, step.stage) {
            (Some(Code::Grid(codes)), 0) => {
                let [batch, cells] = codes.indices.dims();
                let [_, width] = self.codebook.dims();
                let rows = codes.encoded.reshape([batch * cells, width]);
                let indices = codes.indices.flatten::<1>(0, 1);
                let Vq { decay, restart, .. } = self.options;
                let codebook = self.codebook.learn(rows.clone(), indices, decay);
                Self {
                    codebook: codebook.restart(restart, &rows, step),
                    ..self
                }
            }
            (_, 0) => self,
            _ => Self {
                prior: self.prior.map(IndexPrior::into_trained),
                ..self
            },
        }
    }
}
