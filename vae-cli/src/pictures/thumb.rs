//! One example as a small picture.

use super::canvas::{Canvas, Rgb};

/// The side, in pixels, that small images are enlarged to, or nearly.
const SIDE: usize = 96;

/// The side above which images are reduced.
const LARGEST: usize = 192;

/// The most pixels that enlarging fills.
const ENLARGED: usize = 16_000_000;

/// How images of one shape become pictures: each pixel repeated, or each block of
/// pixels replaced by its mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thumb {
    channels: usize,
    height: usize,
    width: usize,
    enlarge: usize,
    reduce: usize,
}

impl Thumb {
    /// Chooses a size for images `[channels, height, width]`, of which `count` share a
    /// picture.
    pub fn new([channels, height, width]: [usize; 3], count: usize) -> Self {
        let side = height.max(width).max(1);
        let mut enlarge = ((SIDE + side / 2) / side).max(1);
        let area = |enlarge: usize| {
            let cell = (height * enlarge).saturating_mul(width * enlarge);
            cell.saturating_mul(count)
        };
        while enlarge > 1 && area(enlarge) > ENLARGED {
            enlarge -= 1;
        }
        Self {
            channels,
            height,
            width,
            enlarge,
            reduce: side.div_ceil(LARGEST),
        }
    }

    /// Width of the small picture in pixels.
    pub fn width(self) -> usize {
        self.width.div_ceil(self.reduce) * self.enlarge
    }

    /// Height of the small picture in pixels.
    pub fn height(self) -> usize {
        self.height.div_ceil(self.reduce) * self.enlarge
    }

    /// Draws one example at (`x`, `y`): `color` gives the colour of the pixel in a row
    /// and a column, whose channels [`Thumb::pixel`] reads.
    pub fn draw(
        self,
        canvas: &mut Canvas,
        (x, y): (usize, usize),
        mut color: impl FnMut(usize, usize) -> Rgb,
    ) {
        for row in 0..self.height.div_ceil(self.reduce) {
            for column in 0..self.width.div_ceil(self.reduce) {
                let color = color(row, column);
                let (x, y) = (x + column * self.enlarge, y + row * self.enlarge);
                canvas.fill((x, y), (self.enlarge, self.enlarge), color);
            }
        }
    }

    /// The channels of one pixel of the small picture: the mean of its block, which is
    /// not finite if any value in it is not.
    pub fn pixel(self, example: &[f32], row: usize, column: usize) -> Vec<f32> {
        let rows = row * self.reduce..((row + 1) * self.reduce).min(self.height);
        let columns = column * self.reduce..((column + 1) * self.reduce).min(self.width);
        let size = rows.len() * columns.len();
        let mean = |channel: usize| {
            let mut sum = 0.0;
            for y in rows.clone() {
                let start = (channel * self.height + y) * self.width;
                let values = example.get(start + columns.start..start + columns.end);
                sum += values.map_or(f64::NAN, |v| v.iter().map(|&v| f64::from(v)).sum());
            }
            (sum / size as f64) as f32
        };
        (0..self.channels).map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_are_enlarged_and_large_ones_reduced() {
        let size = |side, count| {
            let thumb = Thumb::new([1, side, side], count);
            (thumb.width(), thumb.height())
        };
        assert_eq!(size(1, 1), (96, 96));
        assert_eq!(size(28, 64), (84, 84));
        assert_eq!(size(32, 64), (96, 96));
        assert_eq!(size(64, 64), (128, 128));
        assert_eq!(size(128, 64), (128, 128));
        assert_eq!(size(193, 64), (97, 97));
        assert_eq!(size(28, 10_000), (28, 28));
        let wide = Thumb::new([1, 1, 784], 1);
        assert_eq!((wide.width(), wide.height()), (157, 1));
    }

    #[test]
    fn a_pixel_is_the_mean_of_its_block() {
        let thumb = Thumb::new([2, 1, 193], 1);
        let mut example = vec![0.0; 2 * 193];
        example[0] = 1.0;
        example[193 + 192] = 4.0;
        example[193 + 2] = f32::NAN;
        assert_eq!(thumb.pixel(&example, 0, 0), [0.5, 0.0]);
        assert_eq!(thumb.pixel(&example, 0, 96), [0.0, 4.0]);
        assert!(thumb.pixel(&example, 0, 1)[1].is_nan());
        assert!(thumb.pixel(&[], 0, 1)[0].is_nan());
    }
}
