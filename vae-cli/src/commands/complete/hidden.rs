//! What of images is to be completed.

use std::{fmt, path::Path, str::FromStr};

use anyhow::{Context, Result, bail};

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hide {
    /// A half.
    Half(Side),
    /// The pixels from column `x` and row `y` on.
    Rectangle {
        x: usize,
        y: usize,
        width: usize,
        height: usize,
    },
}

/// Where a half is. In the middle of an odd number the larger half is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Lower,
    Upper,
    Left,
    Right,
}

impl FromStr for Hide {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = match text {
            "lower" => Some(Side::Lower),
            "upper" => Some(Side::Upper),
            "left" => Some(Side::Left),
            "right" => Some(Side::Right),
            _ => None,
        };
        if let Some(side) = side {
            return Ok(Self::Half(side));
        }
        let parts: Option<Vec<usize>> = text.split([',', 'x']).map(|n| n.parse().ok()).collect();
        match (parts.as_deref(), text.matches(',').count()) {
            (Some(&[x, y, width, height]), 2) if width > 0 && height > 0 => Ok(Self::Rectangle {
                x,
                y,
                width,
                height,
            }),
            _ => Err(
                "lower, upper, left, right, or a rectangle X,Y,WxH in pixels is needed, such as 4,14,20x14".to_owned(),
            ),
        }
    }
}

impl fmt::Display for Hide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Half(side) => f.write_str(match side {
                Side::Lower => "lower",
                Side::Upper => "upper",
                Side::Left => "left",
                Side::Right => "right",
            }),
            Self::Rectangle {
                x,
                y,
                width,
                height,
            } => write!(f, "{x},{y},{width}x{height}"),
        }
    }
}

impl Hide {
    /// Whether each pixel of an image of this height and width is hidden.
    ///
    /// # Errors
    /// If the rectangle leaves the image.
    pub fn pixels(self, [height, width]: [usize; 2]) -> Result<Vec<bool>> {
        if let Self::Rectangle {
            x,
            y,
            width: wide,
            height: tall,
        } = self
            && (x.saturating_add(wide) > width || y.saturating_add(tall) > height)
        {
            bail!(
                "--hide {self} leaves the image, which is {width}x{height} pixels (width x height)"
            );
        }
        let is_hidden = |at: usize| {
            let (row, column) = (at / width, at % width);
            match self {
                Self::Half(Side::Lower) => row >= height / 2,
                Self::Half(Side::Upper) => row < height.div_ceil(2),
                Self::Half(Side::Left) => column < width.div_ceil(2),
                Self::Half(Side::Right) => column >= width / 2,
                Self::Rectangle {
                    x,
                    y,
                    width,
                    height,
                } => (x..x + width).contains(&column) && (y..y + height).contains(&row),
            }
        };
        Ok((0..height * width).map(is_hidden).collect())
    }
}

/// Whether each pixel is hidden by a mask, an image file: where it is more white than black.
///
/// # Errors
/// If it cannot be read, or has another size.
pub fn mask(path: &Path, [height, width]: [usize; 2]) -> Result<Vec<bool>> {
    let name = || format!("--mask {}", path.display());
    let mask = image::ImageReader::open(path).with_context(name)?;
    let mask = mask.with_guessed_format().with_context(name)?;
    let mask = mask.decode().with_context(name)?.to_luma8();
    if mask.dimensions() != (width as u32, height as u32) {
        bail!(
            "--mask {} is {}x{} pixels (width x height), and the images of the model are {width}x{height}: a mask has \
             their size, white where something is missing",
            path.display(),
            mask.width(),
            mask.height()
        );
    }
    Ok(mask.pixels().map(|pixel| pixel.0[0] > 127).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str, size: [usize; 2]) -> Vec<usize> {
        let pixels = text.parse::<Hide>().unwrap().pixels(size).unwrap();
        (0..pixels.len()).filter(|&at| pixels[at]).collect()
    }

    #[test]
    fn halves_and_rectangles() {
        assert_eq!(hidden("lower", [3, 2]), [2, 3, 4, 5]);
        assert_eq!(hidden("upper", [3, 2]), [0, 1, 2, 3]);
        assert_eq!(hidden("left", [2, 3]), [0, 1, 3, 4]);
        assert_eq!(hidden("right", [2, 2]), [1, 3]);
        assert_eq!(hidden("1,0,2x1", [2, 3]), [1, 2]);
        let outside: Hide = "1,1,1x2".parse().unwrap();
        let error = outside.pixels([2, 3]).unwrap_err().to_string();
        assert!(
            error.contains("1,1,1x2") && error.contains("3x2"),
            "{error}"
        );
        for text in [
            "", "middle", "1,2", "1x2x3,4", "1,1,0x2", "-1,0,1x1", "1,2,3,4",
        ] {
            assert!(text.parse::<Hide>().is_err(), "{text}");
        }
    }
}
