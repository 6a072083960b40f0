//! Images in the size and with the channels that a model takes.

use std::sync::Arc;

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};

use crate::dataset::check_read;
use crate::{DataError, DataShape, Dataset, ValueRange};

/// The weights of red, green and blue in grey: ITU-R BT.709, as the image files of a folder become grey.
const GREY: [f32; 3] = [0.2126, 0.7152, 0.0722];

/// The same images at another size, by a triangle filter, and in grey or with three channels as `shape` asks.
///
/// # Errors
/// [`DataError::Setting`] if either is no shape of an image, or it has neither one channel nor three.
pub fn resized(
    dataset: Arc<dyn Dataset>,
    shape: &DataShape,
) -> Result<Arc<dyn Dataset>, DataError> {
    let both = dataset.shape().image().zip(shape.image());
    let has_channels = |[channels, ..]: [usize; 3]| channels == 1 || channels == 3;
    let Some((from, to)) = both.filter(|(from, to)| has_channels(*from) && has_channels(*to))
    else {
        let bound = format!(
            "only images of one or three channels can be resized, and these have shape {}, to become {shape}",
            dataset.shape()
        );
        return Err(DataError::setting("resize", "given", bound));
    };
    match from == to {
        true => Ok(dataset),
        false => Ok(Arc::new(Resized {
            of: dataset,
            from,
            to,
            shape: shape.clone(),
        })),
    }
}

/// See [`resized`].
struct Resized {
    of: Arc<dyn Dataset>,
    from: [usize; 3],
    to: [usize; 3],
    shape: DataShape,
}

impl Dataset for Resized {
    fn len(&self) -> usize {
        self.of.len()
    }

    fn shape(&self) -> &DataShape {
        &self.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        check_read(self, index, out)?;
        let ([channels, height, width], [wanted, tall, wide]) = (self.from, self.to);
        let plane = height * width;
        let mut image = vec![0.0; channels * plane];
        self.of.read(index, &mut image)?;
        if channels == 3 && wanted == 1 {
            let grey = |at: usize| (0..3).map(|c| GREY[c] * image[c * plane + at]).sum();
            image = (0..plane).map(grey).collect();
        }
        let found = image.chunks_exact(plane).cycle();
        for (out, plane) in out.chunks_exact_mut(tall * wide).zip(found) {
            let full = ImageBuffer::<Luma<f32>, _>::from_raw(width as u32, height as u32, plane);
            let full = full.expect("a plane has as many pixels");
            let small = resize(&full, wide as u32, tall as u32, FilterType::Triangle);
            out.copy_from_slice(small.as_raw());
        }
        Ok(())
    }

    fn name(&self, index: usize) -> Option<String> {
        self.of.name(index)
    }

    fn known_range(&self) -> Option<ValueRange> {
        self.of.known_range()
    }

    fn classes(&self) -> &[String] {
        self.of.classes()
    }

    fn label(&self, index: usize) -> i32 {
        self.of.label(index)
    }

    fn attributes(&self) -> &[String] {
        self.of.attributes()
    }

    fn read_attributes(&self, index: usize, out: &mut [f32]) {
        self.of.read_attributes(index, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDataset;

    fn images(shape: [usize; 3], values: Vec<f32>) -> Arc<dyn Dataset> {
        Arc::new(MemoryDataset::new(DataShape::new(shape).unwrap(), values).unwrap())
    }

    #[test]
    fn size_and_channels() {
        // Blocks of 2 x 2 equal pixels, halved.
        let values = vec![0.25, 0.25, 0.75, 0.75, 0.25, 0.25, 0.75, 0.75];
        let shape = DataShape::new([3, 1, 2]).unwrap();
        let small = resized(images([1, 2, 4], values), &shape).unwrap();
        let mut out = [0.0; 6];
        small.read(0, &mut out).unwrap();
        // A triangle reaches over the edge of its block: by symmetry the two still add up to one.
        assert!(
            (out[0] + out[1] - 1.0).abs() < 1e-6 && out[0] < out[1],
            "{out:?}"
        );
        assert_eq!(out[..2], out[2..4]);

        let shape = DataShape::new([1, 1, 1]).unwrap();
        let grey = resized(images([3, 1, 1], vec![1.0, 0.5, 0.0]), &shape).unwrap();
        let mut out = [0.0];
        grey.read(0, &mut out).unwrap();
        assert!((out[0] - 0.5702).abs() < 1e-6, "{out:?}");
        let five = DataShape::new([5, 2, 2]).unwrap();
        assert!(resized(images([1, 1, 1], vec![0.0]), &five).is_err());
    }
}
