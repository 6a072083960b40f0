//! How close an image is to another, and the median filter that any denoiser must beat.

use crate::error::{Result, check};
use crate::rows::Rows;

/// Width of the window of SSIM.
const WINDOW: usize = 11;
/// Standard deviation of its weights.
const SIGMA: f64 = 1.5;
const K1: f64 = 0.01;
const K2: f64 = 0.03;

/// Channels, height and width of an image: its values are `[channels, height, width]`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    channels: usize,
    height: usize,
    width: usize,
}

impl ImageShape {
    /// A shape.
    ///
    /// # Errors
    /// If one of them is 0.
    pub fn new(channels: usize, height: usize, width: usize) -> Result<Self> {
        check("channels", channels, channels >= 1, "at least 1")?;
        check("height", height, height >= 1, "at least 1")?;
        check("width", width, width >= 1, "at least 1")?;
        Ok(Self {
            channels,
            height,
            width,
        })
    }

    /// Values of an image.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Never: an image has a pixel.
    pub fn is_empty(&self) -> bool {
        false
    }

    fn check(&self, name: &'static str, image: &[f32]) -> Result<()> {
        Rows::new(image, self.len()).and_then(|rows| rows.at_least(name, 1))?;
        check(
            name,
            format_args!("{} numbers", image.len()),
            image.len() == self.len(),
            format_args!("{}", self.len()),
        )
    }

    fn planes<'a>(&self, image: &'a [f32]) -> std::slice::ChunksExact<'a, f32> {
        image.chunks_exact(self.height * self.width)
    }
}

/// Peak signal-to-noise ratio in dB: `10 log10(peak^2 / mean squared error)`; infinite for equal images.
///
/// # Errors
/// If an image does not have this shape or is not finite, or `peak` is not positive.
pub fn psnr(shape: ImageShape, image: &[f32], other: &[f32], peak: f64) -> Result<f64> {
    pair(shape, image, other, peak)?;
    let squares = image
        .iter()
        .zip(other)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let error = squares.sum::<f64>() / image.len() as f64;
    Ok(10.0 * (peak * peak / error).log10())
}

/// Structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004): windows of 11 by 11 with Gaussian weights of standard
/// deviation 1.5, `K1 = 0.01`, `K2 = 0.03`, the mean over all windows that lie in the image, then over the channels. `peak`
/// is the span of the values (their L). An image that is lower or narrower than 11 gets a window of the largest odd
/// size that fits, of its own in each direction.
///
/// # Errors
/// If an image does not have this shape or is not finite, or `peak` is not positive.
pub fn ssim(shape: ImageShape, image: &[f32], other: &[f32], peak: f64) -> Result<f64> {
    pair(shape, image, other, peak)?;
    let window = Window::new(shape.height, shape.width);
    let planes = shape.planes(image).zip(shape.planes(other));
    let sum: f64 = planes.map(|(a, b)| window.similarity(a, b, peak)).sum();
    Ok(sum / shape.channels as f64)
}

/// The median of the `size` by `size` values around each, of each channel by itself; beyond an edge the image is mirrored with
/// the edge repeated (`d c b a | a b c d`).
///
/// # Errors
/// If the image does not have this shape or is not finite, or `size` is not odd.
pub fn median_filter(shape: ImageShape, image: &[f32], size: usize) -> Result<Vec<f32>> {
    shape.check("image", image)?;
    check("size", size, size % 2 == 1, "odd")?;
    let (height, width) = (shape.height, shape.width);
    let reach = (size / 2) as isize;
    let mirrored = |length: usize| -> Vec<usize> {
        let places = -reach..length as isize + reach;
        places.map(|at| mirror(at, length as isize)).collect()
    };
    let (ys, xs) = (mirrored(height), mirrored(width));
    let mut around = Vec::with_capacity(size * size);
    let mut out = Vec::with_capacity(image.len());
    for plane in shape.planes(image) {
        for y in 0..height {
            for x in 0..width {
                around.clear();
                for row in &ys[y..y + size] {
                    around.extend(
                        xs[x..x + size]
                            .iter()
                            .map(|column| plane[row * width + column]),
                    );
                }
                let (_, middle, _) = around.select_nth_unstable_by(size * size / 2, f32::total_cmp);
                out.push(*middle);
            }
        }
    }
    Ok(out)
}

fn mirror(at: isize, length: isize) -> usize {
    let at = at.rem_euclid(2 * length);
    (if at < length { at } else { 2 * length - 1 - at }) as usize
}

fn pair(shape: ImageShape, image: &[f32], other: &[f32], peak: f64) -> Result<()> {
    shape.check("image", image)?;
    shape.check("other", other)?;
    check("peak", peak, peak > 0.0 && peak.is_finite(), "positive")
}

/// Separable weights of a window, and the size of what it slides over.
struct Window {
    height: usize,
    width: usize,
    down: Vec<f64>,
    across: Vec<f64>,
}

impl Window {
    fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            down: weights(height),
            across: weights(width),
        }
    }

    fn similarity(&self, a: &[f32], b: &[f32], peak: f64) -> f64 {
        let over = |value: &dyn Fn(f64, f64) -> f64| {
            let plane: Vec<f64> = a
                .iter()
                .zip(b)
                .map(|(a, b)| value((*a).into(), (*b).into()))
                .collect();
            self.means(&plane)
        };
        let mean_a = over(&|a, _| a);
        let mean_b = over(&|_, b| b);
        let square_a = over(&|a, _| a * a);
        let square_b = over(&|_, b| b * b);
        let product = over(&|a, b| a * b);
        let (c1, c2) = ((K1 * peak).powi(2), (K2 * peak).powi(2));
        let sum: f64 = (0..mean_a.len())
            .map(|i| {
                let (ma, mb) = (mean_a[i], mean_b[i]);
                let (va, vb) = (square_a[i] - ma * ma, square_b[i] - mb * mb);
                let covariance = product[i] - ma * mb;
                (2.0 * ma * mb + c1) * (2.0 * covariance + c2)
                    / ((ma * ma + mb * mb + c1) * (va + vb + c2))
            })
            .sum();
        sum / mean_a.len() as f64
    }

    /// Weighted means of all windows that lie in the plane.
    fn means(&self, plane: &[f64]) -> Vec<f64> {
        let columns = self.width + 1 - self.across.len();
        let rows = self.height + 1 - self.down.len();
        let mut narrow = Vec::with_capacity(self.height * columns);
        for row in plane.chunks_exact(self.width) {
            narrow.extend(
                row.windows(self.across.len())
                    .map(|part| product(part, &self.across)),
            );
        }
        let mut out = vec![0.0; rows * columns];
        for (y, row) in out.chunks_exact_mut(columns).enumerate() {
            for (i, weight) in self.down.iter().enumerate() {
                let line = &narrow[(y + i) * columns..][..columns];
                row.iter_mut()
                    .zip(line)
                    .for_each(|(out, v)| *out += weight * v);
            }
        }
        out
    }
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gaussian weights that sum to 1, as many as fit into `length`.
fn weights(length: usize) -> Vec<f64> {
    let size = WINDOW.min(if length % 2 == 1 { length } else { length - 1 });
    let reach = (size / 2) as f64;
    let raw = (0..size).map(|i| (-(i as f64 - reach).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let raw: Vec<f64> = raw.collect();
    let total: f64 = raw.iter().sum();
    raw.into_iter().map(|w| w / total).collect()
}
