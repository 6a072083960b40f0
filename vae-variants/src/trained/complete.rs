//! Examples of which a part is missing, completed.

use vae_core::{
    Chain, Chains, CodeKind, Error, LikelihoodKind, Result, Start, StepContext, error::check,
};
use vae_data::{HostBatch, Scale, Subset};

use super::{BATCH, Completing, Completion, Completions, Draw, Examples, Trained};
use crate::Variant;

/// Chains whose mean is taken, if nothing else is asked for: one alone may stay where it came to first.
const AVERAGED: usize = 10;

/// The first steps of a chain are not corrected: far from the data no proposal would be accepted.
const NOT_CORRECTED: usize = 5;

/// What an engine is asked for.
pub(super) enum Plan {
    Chains(Chains),
    Importance { draws: usize, codes: usize },
}

/// What an engine gives: see [`vae_core::Completed`].
pub(super) struct Found {
    pub mean: Vec<f32>,
    pub drawn: Vec<f32>,
    pub accepted: Option<f64>,
}

impl Trained {
    /// How [`Trained::complete`] finds missing values unless told otherwise.
    pub fn completes_by(&self) -> Completing {
        let by = match self.description.likelihood.mask {
            true => &[Completing::Importance, Completing::Metropolis][..],
            false => &[Completing::Metropolis],
        };
        let can = by.iter().find(|by| self.can_complete_by(**by).is_ok());
        can.copied().unwrap_or(Completing::Gibbs)
    }

    /// Whether it can find missing values so.
    ///
    /// # Errors
    /// [`Error::Unfit`] if not, with the reason.
    pub fn can_complete_by(&self, by: Completing) -> Result<()> {
        let unfit = |why: String| Err(Error::Unfit(why));
        let name = self.description.variant.info().name;
        if let Some(of) = self.codes_of() {
            return unfit(format!(
                "a model of the codes of another one completes nothing, as all codes change when a part of an example \
                 is missing: take the {} model whose codes it was trained on (`{}` in the folder of the run)",
                of.description.variant.info().name,
                vae_results::RunFolder::CODES_OF
            ));
        }
        if self.data().likelihood.kind == LikelihoodKind::Multinomial {
            return unfit(
                "the multinomial likelihood knows no count of its own, only its share of a total, which is not known \
                 where counts are missing: train with --likelihood poisson or negative-binomial"
                    .into(),
            );
        }
        match by {
            Completing::Gibbs => Ok(()),
            Completing::Metropolis if !self.has_posterior()? => unfit(format!(
                "--method metropolis needs a code that is one distribution over a row of numbers, to accept or refuse \
                 what is drawn, and that of {name} is none; variants with one are {}. {name} has --method gibbs",
                posterior_variants().join(", ")
            )),
            Completing::Metropolis => Ok(()),
            Completing::Importance if !self.takes_gaps() => unfit(
                "--method importance needs the likelihood of a part of an example, which the per-column likelihood of \
                 tables gives; take --method gibbs or metropolis"
                    .into(),
            ),
            Completing::Importance if !self.gives_likelihood() => unfit(format!(
                "--method importance weighs codes that are drawn, and {name} draws none; take --method gibbs"
            )),
            Completing::Importance => Ok(()),
        }
    }

    fn has_posterior(&self) -> Result<bool> {
        Ok(self.description.spec()?.code.is_posterior())
    }

    /// Whether the likelihood takes NaN for what is missing, in the encoder's input too.
    fn takes_gaps(&self) -> bool {
        self.description.likelihood.kind == LikelihoodKind::PerColumn
    }

    /// Completes examples of which a part is missing, batch after batch, by iterated conditional sampling; they are
    /// best made by [`Trained::examples_with_gaps`]. A conditional model uses the class of the example. What is given
    /// stays as it is, to the last bit.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the model cannot do it in this way, and [`Error::Setting`] if a number is 0, or not as
    /// much is said to be hidden or not as a row is long.
    pub fn complete<'a>(
        &'a self,
        examples: &Examples<'a>,
        how: &Completion,
    ) -> Result<impl Iterator<Item = Result<Completions>> + 'a> {
        let width = self.description.row_width();
        let method = how.method.unwrap_or(self.completes_by());
        self.can_complete_by(method)?;
        let code = self.description.spec()?.code;
        if how.draw == Draw::Sample && code.kind != CodeKind::Distribution {
            return Err(Error::Unfit(format!(
                "the code of {} has no distribution to draw from, so that there is one completion alone: --draw mean",
                self.description.variant.info().name
            )));
        }
        let steps = how.steps.unwrap_or(method.steps());
        let chains = how.chains.unwrap_or(match (code.kind, how.draw) {
            (CodeKind::Distribution, Draw::Mean) => AVERAGED,
            _ => 1,
        });
        for (key, number) in [("steps", steps), ("chains", chains)] {
            check(key, number, number >= 1, "at least 1")?;
        }
        if let Some(hidden) = &how.hidden {
            let bound = format!("{width}, the length of a row");
            check("hidden", hidden.len(), hidden.len() == width, &bound)?;
        }
        let plan = self.plan(method, steps, how, chains);
        let rows = match plan {
            Plan::Chains(_) => chains,
            Plan::Importance { .. } => 1,
        };
        let at_once = (BATCH / rows).clamp(1, examples.batch_size.max(1));
        let examples = examples.clone().batch_size(at_once);
        let (subset, stop) = (examples.subset.clone(), examples.stopped_by());
        let (hidden, draw) = (how.hidden.clone(), how.draw);
        let mut done = 0;
        Ok(self.batches(&examples).map(move |batch| {
            let (host, step) = batch?;
            let rows = Rows::read(&subset, done, &host, hidden.as_deref(), width)?;
            done += host.len;
            let goes_on =
                || stop.is_none_or(|stop| !stop.load(std::sync::atomic::Ordering::Relaxed));
            self.completed(rows, host, &plan, draw, &step, &goes_on)
        }))
    }

    fn plan(&self, method: Completing, steps: usize, how: &Completion, chains: usize) -> Plan {
        let chain = match method {
            Completing::Gibbs => Chain::Gibbs,
            Completing::Metropolis => Chain::Metropolis {
                after: (steps / 2).min(NOT_CORRECTED),
            },
            Completing::Importance => {
                let draws = match how.draw {
                    Draw::Mean => 0,
                    Draw::Sample => chains,
                };
                return Plan::Importance {
                    draws,
                    codes: steps,
                };
            }
        };
        let scaler = self.description.scaler.as_ref();
        let is_standard = scaler.is_some_and(|scaler| scaler.kind == Scale::Standardize);
        let (low, high) = self.description.range;
        Plan::Chains(Chains {
            chain,
            start: match (
                self.description.likelihood.mask,
                is_standard || self.takes_gaps(),
            ) {
                (true, _) => Start::Missing,
                (false, true) => Start::Zero,
                (false, false) => Start::Expected,
            },
            count: chains,
            steps,
            // The places of categories are 0 or 1.
            bounds: (low.min(0.0), high.max(1.0)),
        })
    }

    fn completed(
        &self,
        rows: Rows,
        host: HostBatch,
        plan: &Plan,
        draw: Draw,
        step: &StepContext,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Completions> {
        let width = self.description.row_width();
        let count = match draw {
            Draw::Mean => 1,
            Draw::Sample => match plan {
                Plan::Chains(chains) => chains.count,
                Plan::Importance { draws, .. } => *draws,
            },
        };
        let mut completions = Completions {
            completed: vec![rows.given.clone(); count],
            given: rows.given,
            missing: rows.missing,
            accepted: None,
        };
        let gaps = |row: &usize| completions.missing[row * width..][..width].contains(&true);
        let incomplete: Vec<usize> = (0..host.len).filter(gaps).collect();
        if incomplete.is_empty() {
            return Ok(completions);
        }
        let features = self.description.shape.features();
        let batch = self.with_gaps(&host, &incomplete, &completions.missing);
        let found = self.model.complete(batch, plan, step, goes_on)?;
        completions.accepted = found.accepted;
        let found = match draw {
            Draw::Mean => found.mean,
            Draw::Sample => found.drawn,
        };
        let found = found.chunks_exact(incomplete.len() * features);
        for (completed, found) in completions.completed.iter_mut().zip(found) {
            let found = self.in_units_of_data(found.to_vec(), None);
            for (&row, found) in incomplete.iter().zip(found.chunks_exact(width)) {
                let places = row * width..(row + 1) * width;
                let missing = &completions.missing[places.clone()];
                let values = completed[places].iter_mut().zip(found).zip(missing);
                let values = values.filter(|(_, missing)| **missing);
                values.for_each(|((value, found), _)| *value = *found);
            }
        }
        Ok(completions)
    }

    /// The rows of a batch at these positions, NaN where something is missing, as the model takes them.
    fn with_gaps(&self, host: &HostBatch, positions: &[usize], missing: &[bool]) -> HostBatch {
        fn select<T: Copy>(of: &[T], positions: &[usize], count: usize) -> Vec<T> {
            let width = of.len() / count.max(1);
            let rows = positions
                .iter()
                .flat_map(|row| &of[row * width..(row + 1) * width]);
            rows.copied().collect()
        }
        let (len, description) = (host.len, &self.description);
        let (features, width) = (description.shape.features(), description.row_width());
        let mut target = select(&host.target, positions, len);
        let missing = select(missing, positions, len);
        let mut wide = vec![0.0; features];
        for (target, missing) in target
            .chunks_exact_mut(features)
            .zip(missing.chunks_exact(width))
        {
            let gaps = |missing: &bool| if *missing { f32::NAN } else { 0.0 };
            let row: Vec<f32> = missing.iter().map(gaps).collect();
            match &description.table {
                Some(table) => table.expand(&row, &mut wide),
                None => wide.copy_from_slice(&row),
            }
            let gaps = target.iter_mut().zip(&wide).filter(|(_, gap)| gap.is_nan());
            gaps.for_each(|(value, _)| *value = f32::NAN);
        }
        HostBatch {
            len: positions.len(),
            target,
            corrupted: None,
            labels: host.labels.as_ref().map(|of| select(of, positions, len)),
            condition: host.condition.as_ref().map(|of| select(of, positions, len)),
            indices: select(&host.indices, positions, len),
        }
    }
}

/// Rows as they are in the data.
struct Rows {
    given: Vec<f32>,
    missing: Vec<bool>,
}

impl Rows {
    /// Those of a batch, of which the first is number `first` of the subset.
    fn read(
        subset: &Subset,
        first: usize,
        host: &HostBatch,
        hidden: Option<&[bool]>,
        width: usize,
    ) -> Result<Self> {
        let mut given = vec![0.0; host.len * width];
        for (number, row) in (first..).zip(given.chunks_exact_mut(width)) {
            subset.read_columns(number, row)?;
        }
        let is_hidden = |at: usize| hidden.is_some_and(|hidden| hidden[at % width]);
        let missing = given.iter().enumerate();
        let missing = missing.map(|(at, value)| value.is_nan() || is_hidden(at));
        Ok(Self {
            missing: missing.collect(),
            given,
        })
    }
}

/// The names of the variants whose code is a posterior.
fn posterior_variants() -> Vec<&'static str> {
    let all = Variant::all().into_iter();
    let with_one = all.filter(Variant::has_posterior);
    with_one.map(|variant| variant.info().name).collect()
}
