//! Convolutional layers: one image at a time, products of its blocks; where the weight is larger than the images,
//! all images at once.

mod wide;

use std::ops::Range;

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    Activation,
    conv::{Conv, Kind},
    kernels::{
        conv::{Buffers, End, Image, Plan},
        elementwise::slope,
        threads::{self, Room, Shares, in_parts, split},
    },
};

impl Kind {
    /// Which image is the input, and which the output.
    fn ends(self) -> [End; 2] {
        match self {
            Self::Strided => [End::Fine, End::Coarse],
            Self::Transposed => [End::Coarse, End::Fine],
        }
    }
}

impl Conv {
    fn plan(&self, x: View<'_>, bias: View<'_>) -> Plan {
        let input = Image {
            height: x.shape[1],
            width: x.shape[2],
            channels: x.shape[3],
        };
        let output = Image {
            height: self.to[0],
            width: self.to[1],
            channels: bias.values.len(),
        };
        match self.kind {
            Kind::Strided => Plan::new(self.window, input, output),
            Kind::Transposed => Plan::new(self.window, output, input),
        }
    }
}

impl Fused<3> for Conv {
    fn forward(&self, inputs: [View<'_>; 3]) -> (Vec<f32>, Shape) {
        let [x, _, bias] = inputs;
        let plan = self.plan(x, bias);
        let [_, to] = self.kind.ends();
        let output = plan.image(to);
        let y = match plan.is_wide() {
            true => self.wide_forward(&plan, inputs),
            false => self.forward_by_image(&plan, inputs),
        };
        let shape = [x.rows(), output.height, output.width, output.channels];
        (y, Shape::new(shape))
    }

    fn backward(
        &self,
        inputs: [View<'_>; 3],
        y: View<'_>,
        gradient: &mut [f32],
        wanted: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let [x, _, bias] = inputs;
        let plan = self.plan(x, bias);
        match plan.is_wide() {
            true => self.wide_backward(&plan, inputs, y, gradient, wanted),
            false => self.backward_by_image(&plan, inputs, y, gradient, wanted),
        }
    }
}

/// Each thread takes some of the images.
impl Conv {
    fn forward_by_image(&self, plan: &Plan, [x, weight, bias]: [View<'_>; 3]) -> Vec<f32> {
        let [from, to] = self.kind.ends();
        let [input, output] = [from, to].map(|end| plan.image(end));
        let batch = x.rows();
        let bias = bias.values.repeat(output.width);
        let weight = plan.weight_to(to, weight.values);
        let mut y = Room::new(batch * output.len());
        let values = y.shares();
        threads::each(&split(batch, 1, batch * plan.cost()), |_, images| {
            let mut buffers = Buffers::new(plan);
            for image in images {
                let x = &x.values[of(image, input)];
                // SAFETY: the images of the threads do not overlap.
                let y = unsafe { values.part(of(image, output)) };
                buffers.set(from, x);
                buffers.compute(to, &weight, &bias, self.activation, y);
            }
        });
        // SAFETY: every value of every image was written.
        unsafe { y.filled(batch * output.len()) }
    }

    fn backward_by_image(
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
        let parts = split(batch, 1, batch * plan.cost());
        let weight = match want_x {
            true => plan.weight_to(from, weight.values),
            false => Vec::new(),
        };
        let no_bias = vec![0.0; input.row()];
        let mut of_x = want_x.then(|| Room::new(batch * input.len()));
        let weight_length = if want_weight { plan.packed_weight() } else { 0 };
        let gradient = Shares::new(gradient);
        let x_shares = of_x.as_mut().map(Room::shares);
        let sums = in_parts(&parts, |images| {
            let mut of_weight = vec![0.0; weight_length];
            let mut of_bias = vec![0.0; output.row()];
            let mut buffers = Buffers::new(plan);
            for image in images {
                // SAFETY: here and below, the images of the threads do not overlap.
                let gradient = unsafe { gradient.part(of(image, output)) };
                let y = &y.values[of(image, output)];
                slope(gradient, y, &mut of_bias, self.activation);
                buffers.set(to, gradient);
                if want_weight {
                    buffers.set(from, &x.values[of(image, input)]);
                    buffers.weight_gradient(&mut of_weight);
                }
                if let Some(of_x) = x_shares {
                    let of_x = unsafe { of_x.part(of(image, input)) };
                    buffers.compute(from, &weight, &no_bias, Activation::Identity, of_x);
                }
            }
            (of_weight, of_bias)
        });
        let (of_weight, of_bias): (Vec<_>, Vec<_>) = sums.into_iter().unzip();
        // SAFETY: every value of every image was written.
        let of_x = of_x.map(|room| unsafe { room.filled(batch * input.len()) });
        let of_weight = want_weight.then(|| plan.weight_from_down(&threads::sum(of_weight)));
        let of_bias = want_bias.then(|| by_channel(&threads::sum(of_bias), output));
        [of_x, of_weight, of_bias]
    }
}

/// The sums of a row of pixels, for each channel.
fn by_channel(row: &[f32], image: Image) -> Vec<f32> {
    let mut sums = vec![0.0; image.channels];
    for pixel in row.chunks_exact(image.channels) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += value;
        }
    }
    sums
}

/// The values of one image of many.
fn of(image: usize, size: Image) -> Range<usize> {
    span(&(image..image + 1), size)
}

/// The values of some images of many.
fn span(images: &Range<usize>, size: Image) -> Range<usize> {
    images.start * size.len()..images.end * size.len()
}
