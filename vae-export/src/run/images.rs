//! What operators do to images.

use ndarray::{ArrayView2, Axis, Ix4, s};

use crate::graph::{Array, Node};

/// What a convolution takes: images, weight, and the bias of each channel.
struct Images<'a> {
    x: ndarray::ArrayView4<'a, f32>,
    weight: ndarray::ArrayView4<'a, f32>,
    stride: [usize; 2],
    pad: [usize; 2],
}

impl<'a> Images<'a> {
    fn of(node: &Node, x: &'a Array, weight: &'a Array) -> Result<Self, String> {
        let four = |array: &'a Array| match array {
            Array::Float(array) => array
                .view()
                .into_dimensionality::<Ix4>()
                .map_err(|error| error.to_string()),
            _ => Err("numbers in single precision are needed".to_owned()),
        };
        let pair = |name: &str| match node.ints(name) {
            [a, b, ..] => [*a as usize, *b as usize],
            _ => [1, 1],
        };
        if pair("dilations") != [1, 1] || node.int("group").is_some_and(|groups| groups != 1) {
            return Err("dilation and groups are not computed".to_owned());
        }
        Ok(Self {
            x: four(x)?,
            weight: four(weight)?,
            stride: pair("strides"),
            pad: pair("pads"),
        })
    }
}

fn with_bias(mut images: ndarray::Array4<f32>, bias: Option<&Array>) -> Result<Array, String> {
    if let Some(bias) = bias {
        let Array::Float(bias) = bias else {
            return Err("numbers in single precision are needed".to_owned());
        };
        for (mut channel, bias) in images.axis_iter_mut(Axis(1)).zip(bias) {
            channel += *bias;
        }
    }
    Ok(Array::Float(images.into_dyn()))
}

/// For each place of the kernel a matrix product of its weights with the pixels that it meets.
pub fn conv(node: &Node, x: &Array, weight: &Array, bias: Option<&Array>) -> Result<Array, String> {
    let Images {
        x,
        weight,
        stride,
        pad,
    } = Images::of(node, x, weight)?;
    let ((count, inputs, height, width), (outputs, _, tall, wide)) = (x.dim(), weight.dim());
    let size = |pixels: usize, pad: usize, kernel: usize, stride: usize| {
        let room = (pixels + 2 * pad)
            .checked_sub(kernel)
            .ok_or("the kernel is larger than the image")?;
        Ok::<usize, String>(room / stride + 1)
    };
    let rows = size(height, pad[0], tall, stride[0])?;
    let columns = size(width, pad[1], wide, stride[1])?;
    let mut padded =
        ndarray::Array4::zeros((count, inputs, height + 2 * pad[0], width + 2 * pad[1]));
    padded
        .slice_mut(s![.., .., pad[0]..pad[0] + height, pad[1]..pad[1] + width])
        .assign(&x);
    let mut found = ndarray::Array4::zeros((count, outputs, rows, columns));
    for (down, right) in (0..tall).flat_map(|down| (0..wide).map(move |right| (down, right))) {
        let weight = weight.slice(s![.., .., down, right]).to_owned();
        let seen = padded.slice(s![
            ..,
            ..,
            down..=down + (rows - 1) * stride[0]; stride[0],
            right..=right + (columns - 1) * stride[1]; stride[1]
        ]);
        for (seen, mut found) in seen.outer_iter().zip(found.outer_iter_mut()) {
            found += &multiplied(&weight.view(), &seen, [rows, columns])?;
        }
    }
    with_bias(found, bias)
}

/// `[outputs, inputs]` times the channels of an image.
fn multiplied(
    weight: &ArrayView2<'_, f32>,
    image: &ndarray::ArrayView3<'_, f32>,
    [rows, columns]: [usize; 2],
) -> Result<ndarray::Array3<f32>, String> {
    let error = |error: ndarray::ShapeError| error.to_string();
    let pixels = image
        .to_owned()
        .into_shape_with_order((weight.ncols(), rows * columns))
        .map_err(error)?;
    weight
        .dot(&pixels)
        .into_shape_with_order((weight.nrows(), rows, columns))
        .map_err(error)
}

/// For each place of the kernel what each pixel adds there.
pub fn conv_transpose(
    node: &Node,
    x: &Array,
    weight: &Array,
    bias: Option<&Array>,
) -> Result<Array, String> {
    let Images {
        x,
        weight,
        stride,
        pad,
    } = Images::of(node, x, weight)?;
    let extra = match node.ints("output_padding") {
        [a, b] => [*a as usize, *b as usize],
        _ => [0, 0],
    };
    let ((count, _, height, width), (_, outputs, tall, wide)) = (x.dim(), weight.dim());
    let whole = [
        (height - 1) * stride[0] + tall + extra[0],
        (width - 1) * stride[1] + wide + extra[1],
    ];
    let mut canvas = ndarray::Array4::<f32>::zeros((count, outputs, whole[0], whole[1]));
    for (down, right) in (0..tall).flat_map(|down| (0..wide).map(move |right| (down, right))) {
        let weight = weight
            .slice(s![.., .., down, right])
            .reversed_axes()
            .to_owned();
        for (image, mut canvas) in x.outer_iter().zip(canvas.outer_iter_mut()) {
            let mut met = canvas.slice_mut(s![
                ..,
                down..=down + (height - 1) * stride[0]; stride[0],
                right..=right + (width - 1) * stride[1]; stride[1]
            ]);
            met += &multiplied(&weight.view(), &image, [height, width])?;
        }
    }
    let [rows, columns] = [0, 1].map(|axis| whole[axis] - 2 * pad[axis]);
    let inner = s![.., .., pad[0]..pad[0] + rows, pad[1]..pad[1] + columns];
    with_bias(canvas.slice(inner).to_owned(), bias)
}

/// Each pixel is the one of `array` at its place.
pub fn resize(array: &Array, size: &[i64]) -> Result<Array, String> {
    let Array::Float(array) = array else {
        return Err("numbers in single precision are needed".to_owned());
    };
    let (from, to) = (array.shape(), [size[0] as usize, size[1] as usize]);
    let places = |axis: usize| -> Vec<usize> {
        (0..to[axis])
            .map(|at| at * from[axis + 2] / to[axis])
            .collect()
    };
    let rows = array.select(Axis(2), &places(0));
    Ok(Array::Float(rows.select(Axis(3), &places(1))))
}
