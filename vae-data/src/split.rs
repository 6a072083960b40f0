//! Which examples are for training, validation and testing.

use std::sync::Arc;

use crate::choices::choices;
use crate::joined::joined;
use crate::load::check_source;
use crate::random::{Stream, permutation, rng};
use crate::{DataConfig, DataError, Dataset, Source};

choices! {
    /// A part of a data set.
    Part("split") {
        /// The examples to train on.
        Train = "train",
        /// Those to watch the training with.
        Validation = "validation",
        /// Those to evaluate on.
        Test = "test",
        /// All of them, those to evaluate on last where the data set keeps them apart.
        All = "all",
    }
}

impl Source {
    /// A part of it, as [`crate::load`] splits it with the same settings and seed: the data set and the
    /// indices of the examples in it, increasing.
    ///
    /// # Errors
    /// Those of [`crate::Data::from_source`] about sizes and splits.
    pub fn part(
        &self,
        part: Part,
        config: &DataConfig,
        seed: u64,
    ) -> Result<(Arc<dyn Dataset>, Vec<u32>), DataError> {
        config.check()?;
        check_source(self)?;
        let of = |dataset: &Arc<dyn Dataset>| {
            let indices = (0..dataset.len() as u32).collect();
            (dataset.clone(), indices)
        };
        if part == Part::All {
            return Ok(match &self.test {
                None => of(&self.train),
                Some(test) => of(&joined(self.train.clone(), test.clone())?),
            });
        }
        let official_test = self.test.as_ref().map(|test| test.len());
        let split = Split::new(self.train.len(), official_test, config, seed)?;
        Ok(match (part, &self.test) {
            (Part::Train, _) => (self.train.clone(), split.train),
            (Part::Validation, _) => (self.train.clone(), split.validation),
            (_, Some(test)) => (test.clone(), split.test),
            (_, None) => (self.train.clone(), split.test),
        })
    }
}

/// Which examples are in which split, each in increasing order.
#[derive(Debug, PartialEq)]
pub(crate) struct Split {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    pub test: Vec<u32>,
}

impl Split {
    /// Splits `examples`. If the dataset has `official_test` test examples of its own,
    /// the test split is those, and all of `examples` is for training and validation.
    pub fn new(
        examples: usize,
        official_test: Option<usize>,
        config: &DataConfig,
        seed: u64,
    ) -> Result<Self, DataError> {
        let part = |fraction: f64, of: usize| (fraction * of as f64).round() as usize;
        let tested = match official_test {
            Some(_) => 0,
            None => part(config.test, examples),
        };
        let validated = part(config.validation, examples - tested);
        let order = permutation(&mut rng(seed, Stream::Split, 0), examples);
        let (test, rest) = order.split_at(tested);
        let (validation, train) = rest.split_at(validated);
        if train.is_empty() {
            return Err(DataError::NoTraining {
                examples,
                test: tested,
                validation: validated,
            });
        }
        let sorted = |part: &[u32]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
        let test = match official_test {
            Some(len) => (0..len as u32).collect(),
            None => sorted(test),
        };
        let mut train = sorted(train);
        if let Some(limit) = config.limit
            && limit < train.len()
        {
            let chosen = permutation(&mut rng(seed, Stream::Limit, 0), train.len());
            let chosen: Vec<u32> = chosen[..limit].iter().map(|&i| train[i as usize]).collect();
            train = sorted(&chosen);
        }
        Ok(Self {
            train,
            validation: sorted(validation),
            test,
        })
    }
}
