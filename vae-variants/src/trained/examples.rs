//! The examples that a model is used on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use vae_core::{Error, Result};
use vae_data::{
    Batcher, Batches, ColumnKind, Columns, DataError, DataShape, Dataset, HostBatch, NoProgress,
    Progress, Subset, UNLABELLED, ValueRange,
};

use super::{BATCH, Draw, engine::Shown};
use crate::Description;

/// Examples to use a model on, batch after batch, so that there may be more than fit into memory. Made by
/// [`Trained::examples`](super::Trained::examples).
#[derive(Clone)]
pub struct Examples<'a> {
    pub(super) subset: Subset,
    /// Whether the examples are the user's, and not those of a split that was prepared for the training.
    pub(super) is_raw: bool,
    pub(super) is_corrupted: bool,
    pub(super) hides_class: bool,
    pub(super) shown: Shown,
    pub(super) temperature: f64,
    pub(super) batch_size: usize,
    pub(super) seed: u64,
    what: &'a str,
    progress: &'a dyn Progress,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Examples<'a> {
    pub(super) fn new(subset: Subset, is_raw: bool) -> Self {
        Self {
            subset,
            is_raw,
            is_corrupted: false,
            hides_class: false,
            shown: Shown {
                is_drawn: false,
                draw: Draw::Mean,
            },
            temperature: 1.0,
            batch_size: BATCH,
            seed: 0,
            what: "",
            progress: &NoProgress,
            stop: None,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.subset.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.subset.is_empty()
    }

    /// The first `count` of them.
    #[must_use]
    pub fn first(self, count: usize) -> Self {
        Self {
            subset: self.subset.first(count),
            ..self
        }
    }

    /// At most `count` of them, evenly from all.
    #[must_use]
    pub fn thinned(self, count: usize) -> Self {
        Self {
            subset: self.subset.thinned(count),
            ..self
        }
    }

    /// Lets the model see its input corrupted as in the training, where its variant does that; else the input
    /// is what it is.
    #[must_use]
    pub fn corrupted(self) -> Self {
        Self {
            is_corrupted: true,
            ..self
        }
    }

    /// Does not tell the model the class: a variant that guesses it where it is not known does so for all.
    #[must_use]
    pub fn without_class(self) -> Self {
        Self {
            hides_class: true,
            ..self
        }
    }

    /// Lets [`Trained::encode`](super::Trained::encode) draw a code for each, too, and
    /// [`Trained::reconstruct`](super::Trained::reconstruct) decode such a code instead of the mean.
    #[must_use]
    pub fn drawn(mut self) -> Self {
        self.shown.is_drawn = true;
        self
    }

    /// What [`Trained::reconstruct`](super::Trained::reconstruct) shows of the likelihood of a code; by default its mean.
    #[must_use]
    pub fn showing(mut self, draw: Draw) -> Self {
        self.shown.draw = draw;
        self
    }

    /// What the noise of drawn codes is multiplied by. By default 1.
    #[must_use]
    pub fn temperature(self, temperature: f64) -> Self {
        Self {
            temperature,
            ..self
        }
    }

    /// The seed of what is drawn: codes, digits of a binarisation, noise. By default 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Examples that go through the model at a time, at least 1.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, ..self }
    }

    /// Reports to `progress` that work called `what` goes on, example by example.
    #[must_use]
    pub fn progress(self, what: &'a str, progress: &'a dyn Progress) -> Self {
        Self {
            what,
            progress,
            ..self
        }
    }

    /// Reports no progress.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self {
            what: "",
            progress: &NoProgress,
            ..self
        }
    }

    /// Ends the work with [`Error::Stopped`] after the running batch when `stop` becomes true.
    #[must_use]
    pub fn stop(self, stop: &'a AtomicBool) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// What ends the work.
    pub(super) fn stopped_by(&self) -> Option<&'a AtomicBool> {
        self.stop
    }

    /// What `batcher` gives of them.
    pub(super) fn stream(&self, batcher: Batcher) -> Stream<'a> {
        self.progress.start(self.what, Some(self.len() as u64));
        Stream {
            batches: batcher.epoch(0, 0),
            progress: self.progress,
            stop: self.stop,
            classes: match self.hides_class {
                true => self.subset.classes().len(),
                false => 0,
            },
        }
    }

    /// Their features as they are, in the scale of the data's model, batch after batch: one-hot levels, and NaN where a
    /// cell is missing. `[batch, features]`
    pub(super) fn features(&self) -> impl Iterator<Item = Result<Vec<f32>>> + 'a {
        let batcher = Batcher::sequential(self.subset.clone(), self.batch_size.max(1), self.seed);
        self.stream(batcher).map(|host| Ok(host?.target))
    }

    /// The work on examples, as long as there is one to say how far it is and whether it should end.
    pub(super) fn watched(&self) -> (&'a dyn Progress, Option<&'a AtomicBool>) {
        (self.progress, self.stop)
    }
}

/// The batches of some examples.
pub(super) struct Stream<'a> {
    batches: Batches,
    progress: &'a dyn Progress,
    stop: Option<&'a AtomicBool>,
    /// Classes that the model is not told.
    classes: usize,
}

impl Iterator for Stream<'_> {
    type Item = Result<HostBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Some(Err(Error::Stopped));
        }
        let mut batch = self.batches.next()?;
        if let Ok(batch) = &mut batch {
            self.progress.advance(batch.len as u64);
            hide(batch, self.classes);
        }
        Some(batch.map_err(Error::from))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.progress.finish();
    }
}

/// How a data set gets the columns of a model.
pub(super) type Align = fn(
    Arc<dyn Dataset>,
    &[String],
    Option<&Columns>,
) -> std::result::Result<Arc<dyn Dataset>, DataError>;

/// Makes examples such that have no label.
fn hide(batch: &mut HostBatch, classes: usize) {
    if classes == 0 {
        return;
    }
    if let Some(labels) = &mut batch.labels {
        labels.fill(UNLABELLED);
    }
    if let Some(condition) = &mut batch.condition {
        let width = condition.len() / batch.len.max(1);
        for row in condition.chunks_mut(width.max(1)) {
            row[..classes].fill(0.0);
        }
    }
}

/// A data set as a model knows it: its columns and levels in the order of the training, its classes by their
/// names.
pub(super) struct Matched {
    of: Arc<dyn Dataset>,
    classes: Vec<String>,
    /// The model's class for each class of the data.
    labels: Vec<i32>,
    attributes: Vec<String>,
}

impl Matched {
    /// Columns are found by `align`: [`aligned`](vae_data::aligned), or
    /// [`aligned_with_gaps`](vae_data::aligned_with_gaps).
    ///
    /// # Errors
    /// Those of `align`, and [`Error::Unfit`] if the shape is another, an attribute is missing, or a class is
    /// unknown.
    pub fn new(
        of: Arc<dyn Dataset>,
        align: Align,
        root: &Description,
        own: &Description,
    ) -> Result<Self> {
        let unfit = |why: String| Err(Error::Unfit(why));
        let has_names = !of.columns().is_empty() && !root.columns.is_empty();
        let of = match has_names || !of.kinds().is_empty() || root.table.is_some() {
            true => align(of, &root.columns, root.table.as_ref())?,
            false => of,
        };
        if root.table.is_none() && *of.shape() != root.shape {
            return unfit(format!(
                "the model takes examples of shape {}, and these have shape {}",
                root.shape,
                of.shape()
            ));
        }
        if own.attributes != of.attributes() && own.variant.is_conditional() {
            return unfit(format!(
                "the model is conditioned on the attributes [{}], and the data have [{}]",
                own.attributes.join(", "),
                of.attributes().join(", ")
            ));
        }
        // A variant that learns from examples without label guesses their class.
        let guesses = own.variant.labelled_share().is_some();
        if own.variant.is_conditional()
            && !guesses
            && of.classes().is_empty()
            && !own.classes.is_empty()
        {
            return unfit(format!(
                "the model is conditioned on the class, and the data have none; its classes are {}",
                own.classes.join(", ")
            ));
        }
        let place = |name: &String| own.classes.iter().position(|known| known == name);
        let labels: Vec<_> = of.classes().iter().map(place).collect();
        if let Some(unknown) = labels.iter().position(Option::is_none)
            && own.variant.is_conditional()
        {
            return unfit(format!(
                "the data have the class `{}`, which the model does not know: its classes are {}",
                of.classes()[unknown],
                own.classes.join(", ")
            ));
        }
        let labels = labels.iter();
        let labels = labels.map(|place| place.map_or(UNLABELLED, |place| place as i32));
        let has_attributes = own.attributes == of.attributes();
        Ok(Self {
            labels: labels.collect(),
            classes: own.classes.clone(),
            attributes: match has_attributes {
                true => own.attributes.clone(),
                false => Vec::new(),
            },
            of,
        })
    }
}

impl Dataset for Matched {
    fn len(&self) -> usize {
        self.of.len()
    }

    fn shape(&self) -> &DataShape {
        self.of.shape()
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        self.of.read(index, out)
    }

    fn columns(&self) -> &[String] {
        self.of.columns()
    }

    fn kinds(&self) -> &[ColumnKind] {
        self.of.kinds()
    }

    fn known_range(&self) -> Option<ValueRange> {
        self.of.known_range()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn label(&self, index: usize) -> i32 {
        let class = usize::try_from(self.of.label(index)).ok();
        let known = class.and_then(|class| self.labels.get(class));
        known.copied().unwrap_or(UNLABELLED)
    }

    fn attributes(&self) -> &[String] {
        &self.attributes
    }

    fn read_attributes(&self, index: usize, out: &mut [f32]) {
        if !self.attributes.is_empty() {
            self.of.read_attributes(index, out);
        }
    }
}
