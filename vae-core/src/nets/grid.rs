//! Codes on a grid: how the last feature map of a convolutional network becomes rows of cells, and back.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use vae_data::DataShape;

use super::{Activation, Arch, Init, ModelConfig, conv, conv::KEEP};
use crate::{
    error::{Result, check},
    ops::conv2d,
};

/// Height and width of the encoder's last feature map, whose places are the cells of a code on a grid;
/// nothing for dense networks.
///
/// # Errors
/// [`Error::Setting`](crate::Error::Setting) if the data are not images or too small for the layers.
pub fn places(config: &ModelConfig, shape: &DataShape) -> Result<Option<[usize; 2]>> {
    match config.arch {
        Arch::Linear | Arch::Mlp => Ok(None),
        Arch::Conv | Arch::Resnet => Ok(conv::sizes(config, shape)?.1.pop()),
    }
}

/// A convolution between a feature map and the cells of a grid.
#[derive(Module, Debug)]
pub struct GridConv<B: Backend> {
    /// `[out, in, 3, 3]`
    pub weight: Param<Tensor<B, 4>>,
    /// `[out]`
    pub bias: Param<Tensor<B, 1>>,
    #[module(skip)]
    places: [usize; 2],
}

impl<B: Backend> GridConv<B> {
    /// Between `from` and `to` channels at so many places.
    fn init(from: usize, to: usize, places: [usize; 2], init: &mut Init<'_, B>) -> Self {
        let fan_in = from * KEEP.kernel * KEEP.kernel;
        Self {
            weight: init.uniform([to, from, KEEP.kernel, KEEP.kernel], fan_in),
            bias: init.uniform([to], fan_in),
            places,
        }
    }

    /// The end of an encoder that gives `code` numbers: one cell of `cell` numbers for each place of a map
    /// of `channels` channels.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the code has another width.
    pub fn encoder(
        channels: usize,
        places: [usize; 2],
        cell: usize,
        code: usize,
        init: &mut Init<'_, B>,
    ) -> Result<Self> {
        check_width(places, cell, code)?;
        Ok(Self::init(channels, cell, places, init))
    }

    /// The beginning of a decoder that takes `latent` numbers: the mirror of [`GridConv::encoder`].
    ///
    /// # Errors
    /// As [`GridConv::encoder`].
    pub fn decoder(
        channels: usize,
        places: [usize; 2],
        cell: usize,
        latent: usize,
        init: &mut Init<'_, B>,
    ) -> Result<Self> {
        check_width(places, cell, latent)?;
        Ok(Self::init(cell, channels, places, init))
    }

    /// Cells from a feature map.
    ///
    /// # Shapes
    /// - `map`: `[batch, channels, height, width]`
    /// - output: `[batch, height * width * cell]`
    pub fn cells(&self, map: Tensor<B, 4>) -> Tensor<B, 2> {
        cells(self.forward(map, Activation::Identity))
    }

    /// The feature map that a decoder goes on with.
    ///
    /// # Shapes
    /// - `cells`: `[batch, height * width * cell]`
    /// - output: `[batch, channels, height, width]`
    pub fn map(&self, cells: Tensor<B, 2>, activation: Activation) -> Tensor<B, 4> {
        self.forward(map_of(cells, self.places), activation)
    }

    fn forward(&self, map: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
        conv2d(map, self.weight.val(), self.bias.val(), KEEP, activation)
    }
}

fn check_width([height, width]: [usize; 2], cell: usize, found: usize) -> Result<()> {
    let expected = height * width * cell;
    let bound = format!("{expected}: {cell} for each of {height}x{width} places");
    check("width of the code", found, found == expected, &bound)
}

/// A map as rows: its places in raster order, each with all its channels.
fn cells<B: Backend>(map: Tensor<B, 4>) -> Tensor<B, 2> {
    map.permute([0, 2, 3, 1]).flatten(1, 3)
}

/// The inverse of [`cells`].
fn map_of<B: Backend>(cells: Tensor<B, 2>, [height, width]: [usize; 2]) -> Tensor<B, 4> {
    let [batch, numbers] = cells.dims();
    let cell = numbers / (height * width);
    let places = cells.reshape([batch, height, width, cell]);
    places.permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use burn_flex::Flex;

    use super::*;
    use crate::{
        StepContext,
        nets::{ConvEncoder, NetSpec},
    };

    /// By hand: a map of 2 channels, 2 rows and 3 columns, whose value is `100 channel + 10 y + x`. The
    /// cell of a place holds its channels.
    #[test]
    fn a_cell_holds_the_channels_of_its_place() {
        let value = |channel: usize, y: usize, x: usize| (100 * channel + 10 * y + x) as f32;
        let places = || (0..2).flat_map(|y| (0..3).map(move |x| (y, x)));
        let map: Vec<f32> = (0..2)
            .flat_map(|channel| places().map(move |(y, x)| value(channel, y, x)))
            .collect();
        let expected: Vec<f32> = places()
            .flat_map(|(y, x)| [value(0, y, x), value(1, y, x)])
            .collect();
        let map =
            Tensor::<Flex, 4>::from_data(TensorData::new(map, [1, 2, 2, 3]), &Default::default());
        let found = cells(map.clone());
        assert_eq!(found.to_data().to_vec::<f32>().unwrap(), expected);
        assert_eq!(map_of(found, [2, 3]).into_data(), map.into_data());
    }

    /// By hand: the cell of row y and column x sees rows `2 y - 3` to `2 y + 4` of the image, and such
    /// columns; the pixel in row 1 and column 8 of 8 rows and 10 columns is seen by rows 0 to 2 and columns
    /// 2 to 4 of 4 rows and 5 columns.
    #[test]
    fn the_cell_of_a_place_sees_that_place() {
        let config = ModelConfig {
            arch: Arch::Conv,
            channels: vec![4],
            activation: Activation::Tanh,
            ..ModelConfig::default()
        };
        let (shape, cell) = (DataShape::new([1, 8, 10]).unwrap(), 3);
        assert_eq!(places(&config, &shape).unwrap(), Some([4, 5]));
        let spec = NetSpec {
            input: shape.clone(),
            code: 20 * cell,
            latent: 20 * cell,
            output: shape,
            parameters_per_feature: 1,
            cell: Some(cell),
        };
        let (device, step) = (Default::default(), StepContext::evaluate(0, 0, 0, 1));
        let encoder =
            ConvEncoder::<Flex>::init(&config, &spec, &mut Init::new(1, &device)).unwrap();
        let encode = |pixel: Option<usize>| -> Vec<f32> {
            let mut image = vec![0.5; 80];
            if let Some(pixel) = pixel {
                image[pixel] = -3.0;
            }
            let image = Tensor::<Flex, 2>::from_data(TensorData::new(image, [1, 80]), &device);
            encoder.forward(image, &step).into_data().to_vec().unwrap()
        };
        let (before, after) = (encode(None), encode(Some(18)));
        for (place, (a, b)) in before.chunks(cell).zip(after.chunks(cell)).enumerate() {
            let (y, x) = (place / 5, place % 5);
            assert_eq!(a != b, y <= 2 && x >= 2, "cell {y} {x}");
        }
    }
}
