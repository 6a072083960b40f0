//! Layers of many channels and few pixels: all images of a batch in one product.

use super::super::View;
use super::{by_channel, of, span};
use crate::ops::{
    Activation,
    conv::{Conv, Kind},
    kernels::{
        conv::{End, Plan},
        elementwise::{bias_and_activation, slope},
        matrix::{Matrix, Onto, share_product},
        threads::{self, Room, Shares, in_parts, split},
    },
};

/// The rows of some images, one for each pixel of their coarse images.
struct Rows<'a> {
    plan: &'a Plan,
    values: Shares<'a>,
}

impl Rows<'_> {
    /// Room for the rows of as many images as are held at the same time.
    fn room(plan: &Plan, batch: usize) -> Room {
        let most = plan.pieces(batch).map(|piece| piece.len()).max();
        Room::new(most.unwrap_or(0) * plan.positions() * plan.row_length())
    }

    /// Calls `work` for each of `count` images with its rows.
    fn each(&self, count: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        let length = self.plan.positions() * self.plan.row_length();
        each(count, length, |image| {
            // SAFETY: the images of the threads do not overlap.
            work(image, unsafe {
                self.values.part(image * length..(image + 1) * length)
            });
        });
    }

    /// They as a matrix.
    ///
    /// # Safety
    /// They must have been written, and nobody may write them while the matrix is in use.
    unsafe fn matrix(&self, count: usize) -> Matrix<'_> {
        let rows = count * self.plan.positions();
        // SAFETY: by the contract.
        unsafe { Matrix::of_shares(self.values, rows, self.plan.row_length()) }
    }
}

/// Calls `work` for each of `count` images, which take `cost` values of work each.
fn each(count: usize, cost: usize, work: impl Fn(usize) + Sync) {
    threads::each(&split(count, 1, count * cost), |_, images| {
        images.for_each(&work);
    });
}

impl Conv {
    pub(super) fn wide_forward(&self, plan: &Plan, [x, weight, bias]: [View<'_>; 3]) -> Vec<f32> {
        let [from, to] = self.kind.ends();
        let [input, output] = [from, to].map(|end| plan.image(end));
        let batch = x.rows();
        let channels = plan.image(End::Coarse).channels;
        let length = plan.row_length();
        let weight = match self.kind {
            Kind::Strided => plan.weight_of_rows(weight.values),
            Kind::Transposed => plan.weight_to_rows(weight.values),
        };
        let bias = bias.values.repeat(output.width);
        let mut room = Rows::room(plan, batch);
        let rows = Rows {
            plan,
            values: room.shares(),
        };
        let mut all = Room::new(batch * output.len());
        let y = all.shares();
        for piece in plan.pieces(batch) {
            let count = piece.len();
            let x = &x.values[span(&piece, input)];
            let y = y.within(span(&piece, output));
            // SAFETY: here and below, the images of the threads do not overlap, and a loop or product is over before
            // the next one.
            let image_of = |image| unsafe { y.part(of(image, output)) };
            match self.kind {
                Kind::Strided => {
                    rows.each(count, |image, rows| plan.unfold(&x[of(image, input)], rows));
                    let weight = Matrix::new(&weight, length, channels);
                    unsafe { share_product(Onto::Nothing, y, rows.matrix(count), weight) };
                    each(count, output.len(), |image| {
                        bias_and_activation(image_of(image), &bias, self.activation);
                    });
                }
                Kind::Transposed => {
                    let x = Matrix::new(x, count * plan.positions(), channels);
                    let weight = Matrix::new(&weight, channels, length);
                    unsafe { share_product(Onto::Nothing, rows.values, x, weight) };
                    rows.each(count, |image, rows| {
                        plan.fold(rows, image_of(image));
                        bias_and_activation(image_of(image), &bias, self.activation);
                    });
                }
            }
        }
        // SAFETY: every value of every image was written.
        unsafe { all.filled(batch * output.len()) }
    }

    pub(super) fn wide_backward(
        &self,
        plan: &Plan,
        [x, weight, _]: [View<'_>; 3],
        y: View<'_>,
        gradient: &mut [f32],
        [want_x, want_weight, want_bias]: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let [from, to] = self.kind.ends();
        let [input, output] = [from, to].map(|end| plan.image(end));
        let batch = x.rows();
        let channels = plan.image(End::Coarse).channels;
        let weight_length = weight.values.len();
        let length = plan.row_length();
        let weight = match (want_x, self.kind) {
            (false, _) => Vec::new(),
            (true, Kind::Strided) => plan.weight_to_rows(weight.values),
            (true, Kind::Transposed) => plan.weight_of_rows(weight.values),
        };
        let of_bias = slopes(gradient, y.values, output.row(), self.activation);

        let mut room = Rows::room(plan, batch);
        let rows = Rows {
            plan,
            values: room.shares(),
        };
        let mut of_x = want_x.then(|| Room::new(batch * input.len()));
        let mut of_weight = want_weight.then(|| Room::new(weight_length));
        let x_shares = of_x.as_mut().map(Room::shares);
        let weight_shares = of_weight.as_mut().map(Room::shares);
        for piece in plan.pieces(batch) {
            let count = piece.len();
            let onto = match piece.start {
                0 => Onto::Nothing,
                _ => Onto::Present,
            };
            let x = &x.values[span(&piece, input)];
            let gradient = &gradient[span(&piece, output)];
            let of_x = x_shares.map(|values| values.within(span(&piece, input)));
            let (fine, coarse) = match self.kind {
                Kind::Strided => (x, gradient),
                Kind::Transposed => (gradient, x),
            };
            let coarse = Matrix::new(coarse, count * plan.positions(), channels);
            let size = plan.image(End::Fine);
            if want_weight || (want_x && self.kind == Kind::Transposed) {
                rows.each(count, |image, rows| {
                    plan.unfold(&fine[of(image, size)], rows)
                });
            }
            // SAFETY: as in `wide_forward`.
            unsafe {
                if let Some(of_weight) = weight_shares {
                    share_product(onto, of_weight, coarse.transposed(), rows.matrix(count));
                }
                match (of_x, self.kind) {
                    (None, _) => {}
                    (Some(of_x), Kind::Strided) => {
                        let weight = Matrix::new(&weight, channels, length);
                        share_product(Onto::Nothing, rows.values, coarse, weight);
                        rows.each(count, |image, rows| {
                            plan.fold(rows, of_x.part(of(image, input)));
                        });
                    }
                    (Some(of_x), Kind::Transposed) => {
                        let weight = Matrix::new(&weight, length, channels);
                        share_product(Onto::Nothing, of_x, rows.matrix(count), weight);
                    }
                }
            }
        }
        // SAFETY: every value was written: a batch has at least one piece.
        let of_x = of_x.map(|room| unsafe { room.filled(batch * input.len()) });
        let of_weight = of_weight.map(|room| unsafe { room.filled(weight_length) });
        let of_weight = of_weight.map(|packed| plan.weight_from_rows(&packed));
        let of_bias = want_bias.then(|| by_channel(&of_bias, output));
        [of_x, of_weight, of_bias]
    }
}

/// Turns the gradient after an activation into the one before it; the sum of its rows.
fn slopes(gradient: &mut [f32], y: &[f32], row: usize, activation: Activation) -> Vec<f32> {
    let parts = split(gradient.len() / row, 1, gradient.len());
    let gradient = Shares::new(gradient);
    threads::sum(in_parts(&parts, |rows| {
        let range = rows.start * row..rows.end * row;
        let mut sums = vec![0.0; row];
        // SAFETY: the rows of the threads do not overlap.
        let gradient = unsafe { gradient.part(range.clone()) };
        slope(gradient, &y[range], &mut sums, activation);
        sums
    }))
}
