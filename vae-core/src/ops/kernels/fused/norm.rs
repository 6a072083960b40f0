//! Normalisation with its activation.

use std::ops::Range;

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    kernels::{
        norm::{Spread, Sums, Units},
        threads::{self, LINE, Room, Shares, in_parts, split},
    },
    norm::{Moments, Normalise, Over, Statistics},
};

/// Rows and units of `x`, whose last dimension is that of the units.
fn sizes(x: View<'_>) -> [usize; 2] {
    let units = *x.shape.last().expect("a dimension of units");
    [x.values.len() / units, units]
}

impl Over {
    /// Groups of all sets.
    fn count(&self) -> usize {
        self.sets * self.groups
    }

    /// Parts of the sets, or of the rows if there is one set.
    fn parts(&self, x: View<'_>) -> Vec<Range<usize>> {
        match self.sets {
            1 => split(sizes(x)[0], 1, x.values.len()),
            sets => split(sets, LINE.div_ceil(self.groups), x.values.len()),
        }
    }
}

/// Mean and variance of each group, `[2, sets * groups]`, without a gradient.
impl Fused<1> for Moments {
    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let ([_, units], groups, count) = (sizes(x), self.0.groups, self.0.count());
        let mut found = vec![0.0; 2 * count];
        let (means, variances) = found.split_at_mut(count);
        let parts = self.0.parts(x);
        if self.0.sets == 1 {
            let spread = in_parts(&parts, |rows| {
                Spread::of(&x.values[rows.start * units..rows.end * units], units)
            });
            Spread::together(spread).moments(groups, |group, mean, variance| {
                (means[group], variances[group]) = (mean, variance);
            });
        } else {
            let length = x.values.len() / self.0.sets;
            let shares = [means, variances].map(Shares::new);
            threads::each(&parts, |_, sets| {
                // SAFETY: the sets of the threads do not overlap.
                let [means, variances] = shares
                    .map(|values| unsafe { values.part(sets.start * groups..sets.end * groups) });
                for (set, place) in sets.zip((0..).step_by(groups)) {
                    let spread = Spread::of(&x.values[set * length..(set + 1) * length], units);
                    spread.moments(groups, |group, mean, variance| {
                        (means[place + group], variances[place + group]) = (mean, variance);
                    });
                }
            });
        }
        (found, Shape::new([2, count]))
    }

    fn backward(
        &self,
        _: [View<'_>; 1],
        _: View<'_>,
        _: &mut [f32],
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        [None]
    }
}

impl Normalise {
    /// The units of a set.
    fn units<'a>(&self, [scale, shift]: [View<'a>; 2]) -> Units<'a> {
        Units::new(
            scale.values,
            shift.values,
            self.over.groups,
            self.activation,
        )
    }

    /// Takes the moments of a set.
    fn set(&self, units: &mut Units<'_>, moments: View<'_>, set: usize) {
        let groups = set * self.over.groups..(set + 1) * self.over.groups;
        let (mean, variance) = (&moments.row(0)[groups.clone()], &moments.row(1)[groups]);
        units.set(mean, variance, self.epsilon as f32);
    }

    /// Calls `work(units, range of values)` for the parts of the rows if there is one set, else for each set.
    fn each<'a>(
        &self,
        [x, moments, scale, shift]: [View<'a>; 4],
        work: impl Fn(&Units<'a>, Range<usize>) + Sync,
    ) {
        let parts = self.over.parts(x);
        let [_, width] = sizes(x);
        threads::each(&parts, |_, part| {
            let mut units = self.units([scale, shift]);
            if self.over.sets == 1 {
                self.set(&mut units, moments, 0);
                work(&units, part.start * width..part.end * width);
                return;
            }
            let length = x.values.len() / self.over.sets;
            for set in part {
                self.set(&mut units, moments, set);
                work(&units, set * length..(set + 1) * length);
            }
        });
    }
}

impl Fused<4> for Normalise {
    fn is_in_place(&self) -> bool {
        true
    }

    fn forward(&self, inputs: [View<'_>; 4]) -> (Vec<f32>, Shape) {
        let x = inputs[0];
        let mut y = Room::new(x.values.len());
        let values = y.shares();
        self.each(inputs, |units, range| {
            // SAFETY: the ranges do not overlap.
            units.forward(&x.values[range.clone()], unsafe { values.part(range) });
        });
        // SAFETY: the ranges cover all values.
        let y = unsafe { y.filled(x.values.len()) };
        (y, Shape::from(x.shape))
    }

    fn backward(
        &self,
        inputs: [View<'_>; 4],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 4],
    ) -> [Option<Vec<f32>>; 4] {
        let [x, moments, scale, shift] = inputs;
        let [count, units] = sizes(x);
        let gradient = Shares::new(gradient);
        let parts = self.over.parts(x);
        // SAFETY: here and below, the ranges of the threads do not overlap.
        let part_of = |range: &Range<usize>| unsafe { gradient.part(range.clone()) };
        let finish = |of: &Units<'_>, range: &Range<usize>, sums: &Sums, rows: usize| {
            let gradient = part_of(range);
            match self.statistics {
                Statistics::OfInput => {
                    of.input_gradient(gradient, &x.values[range.clone()], sums, rows);
                }
                Statistics::Given => of.given_gradient(gradient),
            }
        };
        let mut all = Sums::new(units);
        if self.over.sets == 1 {
            let mut of = self.units([scale, shift]);
            self.set(&mut of, moments, 0);
            let range = |rows: &Range<usize>| rows.start * units..rows.end * units;
            let sums = in_parts(&parts, |rows| {
                let mut sums = Sums::new(units);
                let range = range(&rows);
                of.slopes(part_of(&range), &x.values[range], &mut sums);
                sums
            });
            sums.iter().for_each(|part| all.take(part));
            threads::each(&parts, |_, rows| finish(&of, &range(&rows), &all, count));
        } else {
            let length = x.values.len() / self.over.sets;
            let sums = in_parts(&parts, |sets| {
                let mut of = self.units([scale, shift]);
                let (mut all, mut sums) = (Sums::new(units), Sums::new(units));
                for set in sets {
                    let range = set * length..(set + 1) * length;
                    self.set(&mut of, moments, set);
                    sums.clear();
                    of.slopes(part_of(&range), &x.values[range.clone()], &mut sums);
                    all.take(&sums);
                    finish(&of, &range, &sums, length / units);
                }
                all
            });
            sums.iter().for_each(|part| all.take(part));
        }
        let [of_scale, of_shift] = all.gradients();
        [None, None, Some(of_scale), Some(of_shift)]
    }
}
