//! Dense layers.

use std::ops::Range;

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    dense::Dense,
    kernels::{
        elementwise::{bias_and_activation, slope},
        matrix::{Matrix, Place, multiply},
        threads::{self, LINE, Room, Shares, split},
    },
};

impl Dense {
    /// `[inputs, outputs]`
    fn weight<'a>(&self, weight: View<'a>) -> Matrix<'a> {
        let matrix = weight.matrix();
        if self.transposed {
            matrix.transposed()
        } else {
            matrix
        }
    }
}

/// Each thread takes some of the output units, in both passes: their weights stay in its cache.
impl Fused<3> for Dense {
    fn forward(&self, [x, weight, bias]: [View<'_>; 3]) -> (Vec<f32>, Shape) {
        let (batch, inputs, outputs) = (x.rows(), x.columns(), bias.values.len());
        let mut y = Room::new(batch * outputs);
        let values = y.shares();
        threads::each(
            &split(outputs, LINE, batch * inputs * outputs),
            |_, units| {
                let place = Place {
                    values,
                    width: outputs,
                    row: 0,
                    column: units.start,
                };
                let weight = self.weight(weight).columns(units.clone());
                // SAFETY: the units of the threads do not overlap.
                unsafe { multiply(place, x.matrix(), weight) };
                for row in 0..batch {
                    // SAFETY: as above.
                    let row = unsafe { values.part(columns(row * outputs, &units)) };
                    bias_and_activation(row, &bias.values[units.clone()], self.activation);
                }
            },
        );
        // SAFETY: every unit was written in every row.
        let y = unsafe { y.filled(batch * outputs) };
        (y, Shape::new([batch, outputs]))
    }

    fn backward(
        &self,
        [x, weight, _]: [View<'_>; 3],
        y: View<'_>,
        gradient: &mut [f32],
        [want_x, want_weight, want_bias]: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let (batch, inputs, outputs) = (x.rows(), x.columns(), y.columns());
        let parts = split(outputs, LINE, batch * inputs * outputs);
        let mut of_bias = vec![0.0; outputs];
        let mut of_weight = want_weight.then(|| Room::new(inputs * outputs));
        // What each part of the units adds to the gradient of the input.
        let mut of_x: Vec<Room> = match want_x {
            true => parts.iter().map(|_| Room::new(batch * inputs)).collect(),
            false => Vec::new(),
        };

        let gradient = Shares::new(gradient);
        let bias_shares = Shares::new(&mut of_bias);
        let weight_shares = of_weight.as_mut().map(Room::shares);
        let x_shares: Vec<_> = of_x.iter_mut().map(Room::shares).collect();
        threads::each(&parts, |part, units| {
            // SAFETY: here and below, the units of the threads do not overlap, and each part has an
            // `of_x` of its own.
            let sums = unsafe { bias_shares.part(units.clone()) };
            for row in 0..batch {
                let columns = columns(row * outputs, &units);
                let slopes = unsafe { gradient.part(columns.clone()) };
                slope(slopes, &y.values[columns], sums, self.activation);
            }
            let slopes = unsafe { Matrix::of_shares(gradient, batch, outputs) };
            let slopes = slopes.columns(units.clone()); // [batch, units]
            if let Some(values) = weight_shares {
                let x = x.matrix();
                let (row, column) = (0, units.start);
                if self.transposed {
                    let place = Place {
                        values,
                        width: inputs,
                        row: column,
                        column: row,
                    };
                    unsafe { multiply(place, slopes.transposed(), x) };
                } else {
                    let place = Place {
                        values,
                        width: outputs,
                        row,
                        column,
                    };
                    unsafe { multiply(place, x.transposed(), slopes) };
                }
            }
            if let Some(&values) = x_shares.get(part) {
                let place = Place {
                    values,
                    width: inputs,
                    row: 0,
                    column: 0,
                };
                let weight = self.weight(weight).columns(units);
                unsafe { multiply(place, slopes, weight.transposed()) };
            }
        });
        // SAFETY: the products wrote every value, as there is a part for every unit.
        let (of_x, of_weight) = unsafe {
            let of_x = of_x.into_iter().map(|part| part.filled(batch * inputs));
            let of_weight = of_weight.map(|room| room.filled(inputs * outputs));
            (of_x.collect(), of_weight)
        };
        [
            want_x.then(|| threads::sum(of_x)),
            of_weight,
            want_bias.then_some(of_bias),
        ]
    }
}

/// A range of the columns of the row that begins at `start`.
fn columns(start: usize, range: &Range<usize>) -> Range<usize> {
    start + range.start..start + range.end
}
