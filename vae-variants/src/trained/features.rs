//! How good codes are as inputs of a classifier.

use serde::Serialize;
use vae_analysis::{Accuracy, Pca, Probe, ProbeOptions, Rows, knn_accuracy};
use vae_core::{Error, Result};

use super::{Codes, Examples, Trained};

/// Numbers that are held of the training examples, which are thinned evenly where they have more.
const MOST: usize = 1 << 28;
/// Principal components of rows that are wider than this are those of so many rows, since the time grows as the third
/// power of the lower of both.
const WIDE: usize = 2048;

/// Examples and the class of each, from 0, where it is known.
#[derive(Clone)]
pub struct Labelled<'a> {
    /// The examples.
    pub examples: Examples<'a>,
    /// `[examples]`
    pub labels: Vec<Option<u32>>,
}

/// What classifiers make of some inputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probed {
    /// `codes`, `data`, or `pca` for principal components of the data, as many as a code has numbers.
    pub inputs: &'static str,
    /// Numbers of an example.
    pub width: usize,
    /// Test examples that a linear classifier gives their class: [`Probe`].
    pub linear: Accuracy,
    /// Whether its training converged.
    pub converged: bool,
    /// Test examples that have the class of most of their nearest training examples: [`knn_accuracy`]; of columns that
    /// are scaled as the model scales them.
    pub neighbours: Accuracy,
}

/// What classifiers make of the codes, beside the data themselves and their principal components.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Features {
    /// Labelled examples that the classifiers learned from.
    pub train: usize,
    /// Labelled examples that they were tested on.
    pub test: usize,
    /// Training examples whose class is asked.
    pub k: usize,
    /// The codes come first.
    pub inputs: Vec<Probed>,
}

impl Trained {
    /// How well the class is read out of the mean codes, by a linear classifier and by the `k` nearest training
    /// examples, beside the data themselves and as many of their principal components. Examples without a class are
    /// left out. The encoder is not told the class.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the encoder needs the class, an example of either has none, or `k` is 0; and those of the
    /// data.
    pub fn features(
        &self,
        train: &Labelled<'_>,
        test: &Labelled<'_>,
        k: usize,
    ) -> Result<Features> {
        self.features_of(train, test, k, |codes| Ok(codes.mean.clone()))
    }

    /// As [`Trained::features`], with these numbers of each batch of codes.
    ///
    /// # Errors
    /// Those of [`Trained::features`] and of `inputs`.
    pub fn features_of(
        &self,
        train: &Labelled<'_>,
        test: &Labelled<'_>,
        k: usize,
        inputs: impl Fn(&Codes) -> Result<Vec<f32>>,
    ) -> Result<Features> {
        self.reads_no_class()?;
        let width = self.data().shape.features();
        let most = (MOST / width).max(1);
        let (train, test) = (Chosen::new(train, most)?, Chosen::new(test, usize::MAX)?);
        let codes = |of: &Chosen<'_>| {
            let batches = self.encode(&of.examples);
            of.keep(batches.map(|codes| inputs(&codes?)))
        };
        let (codes, latent) = {
            let (own, others) = (codes(&train)?, codes(&test)?);
            let latent = own.len() / train.labels.len();
            ([own, others], latent)
        };
        let data = [
            train.keep(train.examples.features())?,
            test.keep(test.examples.features())?,
        ];
        let [of_train, of_test] = [&train.labels, &test.labels];
        let mut all = Vec::new();
        let mut probe = |inputs, width, rows: &[Vec<f32>; 2]| -> Result<()> {
            train.say(&format!("classifying by the {}", spoken(inputs)))?;
            let probed = probed(inputs, width, [&rows[0], &rows[1]], [of_train, of_test], k);
            train.examples.watched().0.finish();
            all.push(probed.map_err(|error| Error::Unfit(format!("no classifier: {error}")))?);
            Ok(())
        };
        probe("codes", latent, &codes)?;
        if let Some((components, width)) = components(&data, width, latent)? {
            probe("pca", width, &components)?;
        }
        probe("data", width, &data)?;
        Ok(Features {
            train: of_train.len(),
            test: of_test.len(),
            k,
            inputs: all,
        })
    }

    /// Refuses a model whose encoder needs the class, which its code then tells.
    ///
    /// # Errors
    /// [`Error::Unfit`].
    pub fn reads_no_class(&self) -> Result<()> {
        let variant = &self.description.variant;
        let guesses = variant.labelled_share().is_some();
        if !variant.is_conditional() || guesses || self.description.classes.is_empty() {
            return Ok(());
        }
        Err(Error::Unfit(format!(
            "the encoder of a {} model is told the class, so that its codes would tell what they were told: take a \
             variant whose encoder sees the data alone, such as vae",
            variant.info().name
        )))
    }
}

/// What inputs are called.
fn spoken(inputs: &str) -> &str {
    match inputs {
        "pca" => "principal components",
        other => other,
    }
}

/// Labelled examples, thinned.
struct Chosen<'a> {
    examples: Examples<'a>,
    /// Which examples are taken.
    taken: Vec<bool>,
    /// Their classes.
    labels: Vec<u32>,
}

impl<'a> Chosen<'a> {
    fn new(of: &Labelled<'a>, most: usize) -> Result<Self> {
        assert_eq!(
            of.examples.len(),
            of.labels.len(),
            "a label or none for each example"
        );
        let count = of.labels.iter().flatten().count();
        if count == 0 {
            let why = "no example has a class, and classes are what codes are probed for";
            return Err(Error::Unfit(why.into()));
        }
        let kept = most.min(count) as u128;
        let mut number = 0;
        let taken = of.labels.iter().map(|label| {
            let place = number * kept / count as u128;
            number += u128::from(label.is_some());
            label.is_some() && place != number * kept / count as u128
        });
        let taken: Vec<bool> = taken.collect();
        let labels = of.labels.iter().zip(&taken);
        let labels = labels.filter_map(|(label, taken)| label.filter(|_| *taken));
        Ok(Self {
            labels: labels.collect(),
            examples: of.examples.clone().without_class(),
            taken,
        })
    }

    /// The rows of the examples that are taken. What is missing becomes 0, the mean of a standardised column.
    fn keep(&self, batches: impl Iterator<Item = Result<Vec<f32>>>) -> Result<Vec<f32>> {
        let (mut kept, mut taken) = (Vec::new(), self.taken.iter());
        let size = self.examples.batch_size.max(1);
        for batch in batches {
            let batch = batch?;
            let own: Vec<bool> = taken.by_ref().take(size).copied().collect();
            let width = batch.len() / own.len().max(1);
            let rows = batch.chunks_exact(width.max(1)).zip(own);
            let rows = rows.filter(|(_, taken)| *taken).flat_map(|(row, _)| row);
            kept.extend(rows.map(|value| if value.is_nan() { 0.0 } else { *value }));
        }
        Ok(kept)
    }

    /// Says what is done now, unless it should end.
    fn say(&self, what: &str) -> Result<()> {
        let (progress, stop) = self.examples.watched();
        if stop.is_some_and(|stop| stop.load(std::sync::atomic::Ordering::Relaxed)) {
            return Err(Error::Stopped);
        }
        progress.start(what, None);
        Ok(())
    }
}

fn probed(
    inputs: &'static str,
    width: usize,
    [train, test]: [&[f32]; 2],
    [of_train, of_test]: [&[u32]; 2],
    k: usize,
) -> vae_analysis::Result<Probed> {
    let (train, test) = (Rows::new(train, width)?, Rows::new(test, width)?);
    let probe = Probe::fit(train, of_train, ProbeOptions::default())?;
    Ok(Probed {
        inputs,
        width,
        linear: probe.accuracy(test, of_test)?,
        converged: probe.converged(),
        neighbours: knn_accuracy((train, of_train), (test, of_test), k)?,
    })
}

/// The first principal components of training and test rows, learned from the former, and how many there are; none of
/// fewer than two rows.
fn components(
    [train, test]: &[Vec<f32>; 2],
    width: usize,
    wanted: usize,
) -> Result<Option<([Vec<f32>; 2], usize)>> {
    let count = train.len() / width;
    if count < 2 {
        return Ok(None);
    }
    let few: Vec<f32>;
    let learned: &[f32] = match width > WIDE && count > WIDE {
        true => {
            let row = |number: usize| &train[number * count / WIDE * width..][..width];
            few = (0..WIDE).flat_map(row).copied().collect();
            &few
        }
        false => train,
    };
    let all = || -> vae_analysis::Result<_> {
        let pca = Pca::fit(Rows::new(learned, width)?, wanted)?;
        let transform = |rows: &[f32]| pca.transform(Rows::new(rows, width)?);
        Ok((
            [transform(train)?, transform(test)?],
            pca.components().nrows(),
        ))
    };
    let all = all().map_err(|error| Error::Unfit(format!("no principal components: {error}")))?;
    Ok(Some(all))
}
