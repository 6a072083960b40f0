//! Moving pictures: GIF files that go on for ever.

use std::io::Write;

use anyhow::{Context, Result};
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, RgbImage};

/// Effort for the colours of a frame that has more than 256, from 1, the most, to 30.
const SPEED: i32 = 10;

/// Writes frames, each of which is shown for so many milliseconds. Up to 256 colours are exact.
///
/// # Errors
/// Those of the frames, and if `out` cannot be written.
pub fn moving(
    frames: impl Iterator<Item = Result<RgbImage>>,
    milliseconds: u32,
    out: &mut (dyn Write + Send),
) -> Result<()> {
    let mut encoder = GifEncoder::new_with_speed(out, SPEED);
    encoder.set_repeat(Repeat::Infinite)?;
    for image in frames {
        let image = DynamicImage::from(image?).into_rgba8();
        let delay = Delay::from_numer_denom_ms(milliseconds, 1);
        let frame = Frame::from_parts(image, 0, 0, delay);
        encoder
            .encode_frame(frame)
            .context("cannot write a frame")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use image::{AnimationDecoder, codecs::gif::GifDecoder};

    use super::*;

    #[test]
    fn frames_can_be_read_back() {
        let frame = |value: u8| RgbImage::from_fn(6, 4, |x, _| image::Rgb([value, x as u8, 9]));
        let frames = [10, 200].map(frame);
        let mut bytes = Vec::new();
        moving(frames.iter().cloned().map(Ok), 80, &mut bytes).unwrap();
        let decoder = GifDecoder::new(std::io::Cursor::new(bytes)).unwrap();
        let read = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 2);
        for (read, written) in read.iter().zip(frames) {
            assert_eq!(read.delay().numer_denom_ms(), (80, 1));
            let image = DynamicImage::from(read.buffer().clone()).into_rgb8();
            assert_eq!(image, written);
        }
    }
}
