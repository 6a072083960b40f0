//! The parts of a Jacobian's norm. Each thread takes some of the examples.

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    jacobian::{Begin, Forms, Gram, Scale},
    kernels::{
        elementwise::{add, add_multiple, add_products, dot, multiply, scaled},
        matrix::{Onto, share_product},
        threads::{self, Room, Shares, in_parts, split},
        transpose::transpose_into,
    },
};

impl Fused<1> for Gram {
    fn forward(&self, [weight]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let outputs = weight.columns();
        let matrix = weight.matrix();
        let mut product = Room::new(outputs * outputs);
        // SAFETY: here and below, nobody else uses the room, and the product fills it.
        let product = unsafe {
            share_product(Onto::Nothing, product.shares(), matrix.transposed(), matrix);
            product.filled(outputs * outputs)
        };
        (product, Shape::new([outputs, outputs]))
    }

    fn backward(
        &self,
        [weight]: [View<'_>; 1],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let outputs = weight.columns();
        let mut both = vec![0.0; gradient.len()];
        transpose_into(gradient, outputs, &mut both);
        threads::rows(&mut both, outputs, outputs, |first, rows| {
            add(rows, &gradient[first * outputs..][..rows.len()]);
        });
        let shape = [outputs, outputs];
        let both = View {
            values: &both,
            shape: &shape,
        };
        let mut of_weight = Room::new(weight.values.len());
        let shares = of_weight.shares();
        unsafe {
            share_product(Onto::Nothing, shares, weight.matrix(), both.matrix());
            [Some(of_weight.filled(weight.values.len()))]
        }
    }
}

impl Fused<3> for Begin {
    fn forward(&self, [slope, weight, hidden]: [View<'_>; 3]) -> (Vec<f32>, Shape) {
        let (batch, outputs, width) = (slope.rows(), slope.columns(), hidden.columns());
        let mut columns = vec![0.0; weight.values.len()];
        transpose_into(weight.values, outputs, &mut columns);
        let mut rows = vec![0.0; batch * outputs * width];
        threads::rows(
            &mut rows,
            outputs * width,
            outputs * width,
            |first, part| {
                let examples = part.chunks_exact_mut(outputs * width);
                for (example, rows) in (first..).zip(examples) {
                    let columns = columns.chunks_exact(width).zip(slope.row(example));
                    for (row, (column, &slope)) in rows.chunks_exact_mut(width).zip(columns) {
                        scaled(row, column, slope);
                        multiply(row, hidden.row(example));
                    }
                }
            },
        );
        (rows, Shape::new([batch * outputs, width]))
    }

    fn backward(
        &self,
        [slope, weight, hidden]: [View<'_>; 3],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let (batch, outputs, width) = (slope.rows(), slope.columns(), hidden.columns());
        let mut columns = vec![0.0; weight.values.len()];
        transpose_into(weight.values, outputs, &mut columns);
        let mut of_slope = vec![0.0; slope.values.len()];
        let mut of_hidden = vec![0.0; hidden.values.len()];
        let shares = [&mut of_slope, &mut of_hidden].map(|values| Shares::new(values));
        let gradient = &*gradient;
        let parts = split(batch, 1, gradient.len());
        let of_columns = in_parts(&parts, |examples| {
            let mut of_columns = vec![0.0; columns.len()];
            let mut product = vec![0.0; width];
            for example in examples {
                // SAFETY: the examples of the threads do not overlap.
                let [of_slope, of_hidden] = unsafe {
                    [
                        shares[0].part(example * outputs..(example + 1) * outputs),
                        shares[1].part(example * width..(example + 1) * width),
                    ]
                };
                let rows = gradient[example * outputs * width..].chunks_exact(width);
                for (output, gradient) in rows.take(outputs).enumerate() {
                    let column = output * width..(output + 1) * width;
                    let slope = slope.row(example)[output];
                    product.copy_from_slice(gradient);
                    multiply(&mut product, hidden.row(example));
                    of_slope[output] = dot(&product, &columns[column.clone()]);
                    add_multiple(&mut of_columns[column.clone()], &product, slope);
                    add_products(of_hidden, gradient, &columns[column], slope);
                }
            }
            of_columns
        });
        let mut of_weight = vec![0.0; weight.values.len()];
        transpose_into(&threads::sum(of_columns), width, &mut of_weight);
        [Some(of_slope), Some(of_weight), Some(of_hidden)]
    }
}

impl Fused<2> for Scale {
    fn is_in_place(&self) -> bool {
        true
    }

    fn forward(&self, [rows, factors]: [View<'_>; 2]) -> (Vec<f32>, Shape) {
        let (length, width) = (rows.values.len() / factors.rows(), rows.columns());
        let scaled = threads::copied_rows(rows.values, length, length, |first, part| {
            for (example, rows) in (first..).zip(part.chunks_exact_mut(length)) {
                for row in rows.chunks_exact_mut(width) {
                    multiply(row, factors.row(example));
                }
            }
        });
        (scaled, Shape::from(rows.shape))
    }

    fn backward(
        &self,
        [rows, factors]: [View<'_>; 2],
        _: View<'_>,
        gradient: &mut [f32],
        [_, want_factors]: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let (length, width) = (rows.values.len() / factors.rows(), rows.columns());
        let mut of_factors = vec![0.0; factors.values.len()];
        let shares = Shares::new(&mut of_factors);
        threads::rows(gradient, length, length, |first, part| {
            for (example, gradient) in (first..).zip(part.chunks_exact_mut(length)) {
                // SAFETY: the examples of the threads do not overlap.
                let sums = unsafe { shares.part(example * width..(example + 1) * width) };
                let rows = rows.values[example * length..].chunks_exact(width);
                for (gradient, row) in gradient.chunks_exact_mut(width).zip(rows) {
                    if want_factors {
                        add_products(sums, gradient, row, 1.0);
                    }
                    multiply(gradient, factors.row(example));
                }
            }
        });
        [None, want_factors.then_some(of_factors)]
    }
}

impl Fused<2> for Forms {
    fn forward(&self, [rows, form]: [View<'_>; 2]) -> (Vec<f32>, Shape) {
        let mut product = Room::new(rows.values.len());
        // SAFETY: nobody else uses the room, and the product fills it.
        let product = unsafe {
            share_product(
                Onto::Nothing,
                product.shares(),
                rows.matrix(),
                form.matrix(),
            );
            product.filled(rows.values.len())
        };
        let shape = rows.shape;
        let forms = rows.per_row(|row| {
            let products = View {
                values: &product,
                shape,
            };
            dot(rows.row(row), products.row(row))
        });
        // A second forward pass of the same operation finds the same.
        let _ = self.product.set(product);
        (forms, Shape::new([rows.rows()]))
    }

    fn backward(
        &self,
        [rows, form]: [View<'_>; 2],
        _: View<'_>,
        gradient: &mut [f32],
        [want_rows, want_form]: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let product = self.product.get().expect("the forward pass came first");
        let times = |values: &[f32], factor: f32| {
            let values = View {
                values,
                shape: rows.shape,
            };
            values.map_rows(|row, out| scaled(out, values.row(row), factor * gradient[row]))
        };
        let of_rows = want_rows.then(|| times(product, 2.0));
        let of_form = want_form.then(|| {
            let weighted = times(rows.values, 1.0);
            let weighted = View {
                values: &weighted,
                shape: rows.shape,
            };
            let mut sum = Room::new(form.values.len());
            // SAFETY: as in the forward pass.
            unsafe {
                let rows = rows.matrix().transposed();
                share_product(Onto::Nothing, sum.shares(), rows, weighted.matrix());
                sum.filled(form.values.len())
            }
        });
        [of_rows, of_form]
    }
}
