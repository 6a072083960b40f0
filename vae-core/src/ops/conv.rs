//! Convolutional layers with their activation.

use burn::tensor::{
    Tensor,
    backend::Backend,
    module,
    ops::{ConvOptions, ConvTransposeOptions},
};

use super::{Activation, activate, apply, in_kernel, primitive};

/// The kernel of a convolution and how it moves over an image; all sizes in pixels, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Size of the kernel.
    pub kernel: usize,
    /// Distance between two of its places.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
}

impl Window {
    /// Size of what a strided convolution makes of `fine` pixels, nothing if the kernel does not
    /// fit.
    pub fn coarse(&self, fine: usize) -> Option<usize> {
        let room = (fine + 2 * self.padding).checked_sub(self.kernel)?;
        Some(room / self.stride + 1)
    }

    /// The least size that a strided convolution turns into `coarse` pixels.
    pub fn fine(&self, coarse: usize) -> Option<usize> {
        let covered = (coarse.checked_sub(1)?) * self.stride + self.kernel;
        covered.checked_sub(2 * self.padding)
    }
}

/// `activation(x * weight + bias)`, where `*` is the cross-correlation that networks call a
/// convolution.
///
/// # Shapes
/// - `x`: `[batch, inputs, height, width]`
/// - `weight`: `[outputs, inputs, kernel, kernel]`
/// - `bias`: `[outputs]`
/// - output: `[batch, outputs, window.coarse(height), window.coarse(width)]`
///
/// # Panics
/// If the kernel, without the padding on one side, is larger than the image.
pub fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
    activation: Activation,
) -> Tensor<B, 4> {
    let [_, _, height, width] = x.dims();
    let to = [height, width].map(|fine| window.coarse(fine).expect("the kernel fits the image"));
    let op = Conv {
        kind: Kind::Strided,
        window,
        to,
        activation,
    };
    op.of(x, weight, bias)
}

/// The adjoint of [`conv2d`], which enlarges an image to `to`, `[height, width]`.
///
/// # Shapes
/// - `x`: `[batch, inputs, height, width]`
/// - `weight`: `[inputs, outputs, kernel, kernel]`
/// - `bias`: `[outputs]`
/// - output: `[batch, outputs, to height, to width]`
///
/// # Panics
/// If [`conv2d`] with this window does not turn an image of size `to` into one of `x`'s.
pub fn conv_transpose2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
    to: [usize; 2],
    activation: Activation,
) -> Tensor<B, 4> {
    let [_, _, height, width] = x.dims();
    assert_eq!(
        to.map(|fine| window.coarse(fine)),
        [Some(height), Some(width)],
        "{window:?} over {to:?}"
    );
    let op = Conv {
        kind: Kind::Transposed,
        window,
        to,
        activation,
    };
    op.of(x, weight, bias)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Strided,
    Transposed,
}

/// Takes and gives images as `[batch, height, width, channels]`. What comes out is handed on in that
/// order, as a view, so that the next layer need not reorder it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    pub kind: Kind,
    pub window: Window,
    /// Height and width of the output.
    pub to: [usize; 2],
    pub activation: Activation,
}

impl Conv {
    fn of<B: Backend>(
        self,
        x: Tensor<B, 4>,
        weight: Tensor<B, 4>,
        bias: Tensor<B, 1>,
    ) -> Tensor<B, 4> {
        let [activation, after] = in_kernel(self.activation);
        let op = Self { activation, ..self };
        let pixels = channels_last(x.clone());
        let inputs = [primitive(&pixels), primitive(&weight), primitive(&bias)];
        match apply(&op, inputs) {
            Some(output) => channels_first(activate(output, after)),
            None => self.reference(x, weight, bias),
        }
    }

    fn reference<B: Backend>(
        self,
        x: Tensor<B, 4>,
        weight: Tensor<B, 4>,
        bias: Tensor<B, 1>,
    ) -> Tensor<B, 4> {
        let y = match self.kind {
            Kind::Strided => strided_reference(x, weight, bias, self.window),
            Kind::Transposed => transposed_reference(x, weight, bias, self.window, self.to),
        };
        self.activation.forward(y)
    }
}

fn strided_reference<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
) -> Tensor<B, 4> {
    let options = ConvOptions::new([window.stride; 2], [window.padding; 2], [1; 2], 1);
    module::conv2d(x, weight, Some(bias), options)
}

fn transposed_reference<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    window: Window,
    to: [usize; 2],
) -> Tensor<B, 4> {
    let [_, _, height, width] = x.dims();
    let least = |coarse| window.fine(coarse).expect("the kernel exceeds the padding");
    // A stride loses the last rows of some sizes: the extra padding restores them.
    let extra = [to[0] - least(height), to[1] - least(width)];
    let (stride, padding) = ([window.stride; 2], [window.padding; 2]);
    let options = ConvTransposeOptions::new(stride, padding, extra, [1; 2], 1);
    module::conv_transpose2d(x, weight, Some(bias), options)
}

/// `[batch, channels, height, width]` as `[batch, height, width, channels]`.
fn channels_last<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [batch, channels, height, width] = x.dims();
    match channels {
        // The order of the values is the same.
        1 => x.reshape([batch, height, width, channels]),
        _ => x.permute([0, 2, 3, 1]),
    }
}

/// The inverse of [`channels_last`].
fn channels_first<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [batch, height, width, channels] = x.dims();
    match channels {
        1 => x.reshape([batch, channels, height, width]),
        _ => x.permute([0, 3, 1, 2]),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same};

    #[derive(Debug, Clone)]
    struct Layer {
        kind: Kind,
        window: Window,
        batch: usize,
        /// Height and width of the larger image.
        fine: [usize; 2],
        /// Channels of the input and of the output.
        channels: [usize; 2],
        activation: Activation,
        /// Whether the input's channels come last in memory.
        viewed: bool,
    }

    impl Layer {
        /// Sizes of the input.
        fn from(&self) -> [usize; 2] {
            match self.kind {
                Kind::Strided => self.fine,
                Kind::Transposed => self.fine.map(|fine| self.window.coarse(fine).unwrap()),
            }
        }

        fn inputs<B: Backend>(
            &self,
            inputs: Vec<Tensor<B, 1>>,
        ) -> (Tensor<B, 4>, Tensor<B, 4>, Tensor<B, 1>) {
            let [x, weight, bias] = inputs.try_into().unwrap();
            let ([height, width], [from, to], kernel) =
                (self.from(), self.channels, self.window.kernel);
            let x = match self.viewed {
                true => x
                    .reshape([self.batch, height, width, from])
                    .permute([0, 3, 1, 2]),
                false => x.reshape([self.batch, from, height, width]),
            };
            // Sums of so many terms are rounded in proportion to them, not to what a tanh leaves of them.
            let terms = (from * kernel * kernel) as f64;
            let weight = weight.div_scalar(terms.sqrt());
            let weight = match self.kind {
                Kind::Strided => weight.reshape([to, from, kernel, kernel]),
                Kind::Transposed => weight.reshape([from, to, kernel, kernel]),
            };
            (x, weight, bias)
        }
    }

    impl Probe for Layer {
        fn lengths(&self) -> Vec<usize> {
            let ([height, width], [from, to]) = (self.from(), self.channels);
            let area = self.window.kernel * self.window.kernel;
            vec![self.batch * height * width * from, from * to * area, to]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let (x, weight, bias) = self.inputs(inputs);
            let (window, activation) = (self.window, self.activation);
            let y = match self.kind {
                Kind::Strided => conv2d(x, weight, bias, window, activation),
                Kind::Transposed => {
                    conv_transpose2d(x, weight, bias, window, self.fine, activation)
                }
            };
            y.flatten(0, 3)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let (x, weight, bias) = self.inputs(inputs);
            let y = match self.kind {
                Kind::Strided => strided_reference(x, weight, bias, self.window),
                Kind::Transposed => transposed_reference(x, weight, bias, self.window, self.fine),
            };
            self.activation.forward(y).flatten(0, 3)
        }
    }

    fn layers(channels: Range<usize>) -> impl Strategy<Value = Layer> {
        let kind = prop_oneof![Just(Kind::Strided), Just(Kind::Transposed)];
        let window =
            (1..6_usize, 1..4_usize, 0..3_usize).prop_map(|(kernel, stride, padding)| Window {
                kernel,
                stride,
                padding: padding.min(kernel - 1),
            });
        let activation = prop::sample::select(&Activation::ALL[..]);
        let (sizes, channels) = ([1..14_usize, 1..14], [channels.clone(), channels]);
        (
            kind,
            window,
            1..5_usize,
            sizes,
            channels,
            activation,
            any::<bool>(),
        )
            .prop_map(
                |(kind, window, batch, fine, channels, activation, viewed)| Layer {
                    kind,
                    window,
                    batch,
                    // The kernel fits, and covers each pixel from which something comes.
                    fine: fine.map(|size| size.max(window.kernel)),
                    channels,
                    activation,
                    viewed,
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..Default::default() })]

        #[test]
        fn matches_the_reference(layer in layers(1..9), seed: u64) {
            assert_same(&layer, seed, &[]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..Default::default() })]

        /// With weights so large that the whole batch is one product, but for some kernels of one or two pixels.
        #[test]
        fn wide_layers_match_the_reference(layer in layers(43..60), seed: u64) {
            assert_same(&layer, seed, &[]);
        }
    }

    /// By hand: a kernel of ones, of size 2 and stride 2, adds up each square of four pixels, and
    /// its adjoint copies a pixel to such a square.
    #[test]
    fn squares_by_hand() {
        let device = Default::default();
        let window = Window {
            kernel: 2,
            stride: 2,
            padding: 0,
        };
        let ones = Tensor::<burn_flex::Flex, 4>::ones([1, 1, 2, 2], &device);
        let bias = Tensor::from_data([0.5], &device);
        let x = Tensor::from_data([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]], &device);
        let sums = conv2d(x, ones.clone(), bias.clone(), window, Activation::Identity);
        assert_eq!(sums.dims(), [1, 1, 1, 1]);
        assert_eq!(sums.clone().into_scalar(), 12.5);
        let copies = conv_transpose2d(sums, ones, bias, window, [2, 3], Activation::Identity);
        let copies: Vec<f32> = copies.into_data().to_vec().unwrap();
        assert_eq!(copies, [13.0, 13.0, 0.5, 13.0, 13.0, 0.5]);
    }

    /// Large enough that the threads share the work; a batch that they cannot share evenly.
    #[test]
    fn many_images_match_the_reference() {
        for kind in [Kind::Strided, Kind::Transposed] {
            let layer = Layer {
                kind,
                window: Window {
                    kernel: 4,
                    stride: 2,
                    padding: 1,
                },
                batch: 13,
                fine: [19, 14],
                channels: [24, 20],
                activation: Activation::Relu,
                viewed: true,
            };
            assert_same(&layer, 1, &[]);
            // More images than are multiplied at once.
            let wide = Layer {
                batch: 37,
                channels: [40, 50],
                ..layer
            };
            assert_same(&wide, 1, &[]);
        }
    }

    #[test]
    fn not_a_number_is_passed_on() {
        let device = Default::default();
        let window = Window {
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let mut values = [0.5; 25];
        values[12] = f32::NAN;
        let x = Tensor::<burn_flex::Flex, 1>::from_floats(values, &device).reshape([1, 1, 5, 5]);
        let (weight, bias) = (
            Tensor::ones([1, 1, 3, 3], &device),
            Tensor::zeros([1], &device),
        );
        for y in [
            conv2d(
                x.clone(),
                weight.clone(),
                bias.clone(),
                window,
                Activation::Relu,
            ),
            conv_transpose2d(x, weight, bias, window, [5, 5], Activation::Relu),
        ] {
            let y: Vec<f32> = y.into_data().to_vec().unwrap();
            for (i, value) in y.into_iter().enumerate() {
                let near = (1..4).contains(&(i / 5)) && (1..4).contains(&(i % 5));
                assert_eq!(value.is_nan(), near, "pixel {i}");
            }
        }
    }
}
