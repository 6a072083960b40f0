//! One image file, and what becomes of its pixels.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{ImageDecoder, ImageFormat, ImageReader};

use crate::{DataError, ImageSize};

/// What the header of an image says.
pub(super) struct Header {
    pub size: ImageSize,
    pub color: bool,
}

/// Reads the header of an image.
pub(super) fn header(path: &Path) -> Result<Header, DataError> {
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let decoder = image_reader(path, BufReader::new(file))?.into_decoder();
    let decoder = decoder.map_err(|e| bad_image(path, e))?;
    let (width, height) = decoder.dimensions();
    let size = ImageSize::new(height as usize, width as usize).map_err(|e| bad_image(path, e))?;
    let color = decoder.color_type().has_color();
    Ok(Header { size, color })
}

fn image_reader<R: BufRead + Seek>(path: &Path, bytes: R) -> Result<ImageReader<R>, DataError> {
    let mut reader = ImageReader::new(bytes);
    if let Ok(format) = ImageFormat::from_path(path) {
        reader.set_format(format);
    }
    // By content: a name may lie.
    reader.with_guessed_format().map_err(|e| bad_image(path, e))
}

fn bad_image(path: &Path, reason: impl ToString) -> DataError {
    DataError::Image {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Decodes images one after another, with the same memory.
#[derive(Default)]
pub(super) struct Decoder {
    file: Vec<u8>,
    resizer: Resizer,
    resized: Vec<u8>,
}

impl Decoder {
    /// Decodes one image into `out`, channel after channel.
    ///
    /// The pixels become grey or RGB with eight bits, without their alpha, and then get their size: each is
    /// the mean of those around its place, weighted by a triangle, which is as wide as a pixel of the result where that is
    /// smaller.
    pub fn decode(
        &mut self,
        path: &Path,
        size: ImageSize,
        rgb: bool,
        out: &mut [u8],
    ) -> Result<(), DataError> {
        self.file.clear();
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut self.file))
            .map_err(DataError::io("open", path))?;
        let image = image_reader(path, Cursor::new(&self.file))?.decode();
        let image = image.map_err(|e| bad_image(path, e))?;
        let found = [image.width(), image.height()];
        let (pixels, kind) = match rgb {
            true => (image.into_rgb8().into_raw(), PixelType::U8x3),
            false => (image.into_luma8().into_raw(), PixelType::U8),
        };
        let wanted = [size.width as u32, size.height as u32];
        if found == wanted {
            write_planes(&pixels, rgb, out);
            return Ok(());
        }
        self.resized.resize(out.len(), 0);
        self.resize((&pixels, found), wanted, kind)
            .map_err(|e| bad_image(path, e))?;
        write_planes(&self.resized, rgb, out);
        Ok(())
    }

    fn resize(
        &mut self,
        (pixels, [width, height]): (&[u8], [u32; 2]),
        [wide, tall]: [u32; 2],
        kind: PixelType,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let from = ImageRef::new(width, height, pixels, kind)?;
        let mut to = Image::from_slice_u8(wide, tall, &mut self.resized, kind)?;
        let triangle = ResizeAlg::Convolution(FilterType::Bilinear);
        let options = ResizeOptions::new().resize_alg(triangle);
        self.resizer.resize(&from, &mut to, &options)?;
        Ok(())
    }
}

/// From pixel after pixel to channel after channel.
fn write_planes(pixels: &[u8], rgb: bool, out: &mut [u8]) {
    if !rgb {
        out.copy_from_slice(pixels);
        return;
    }
    let (red, others) = out.split_at_mut(out.len() / 3);
    let (green, blue) = others.split_at_mut(red.len());
    let places = red.iter_mut().zip(green).zip(blue);
    for (((red, green), blue), pixel) in places.zip(pixels.as_chunks::<3>().0) {
        [*red, *green, *blue] = *pixel;
    }
}

#[cfg(test)]
#[path = "image_file_tests.rs"]
mod tests;
