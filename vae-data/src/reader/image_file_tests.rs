use image::imageops::{self, FilterType::Triangle};
use image::{DynamicImage, GrayImage, RgbImage};

use super::*;

/// Noise over a gradient, with hard edges.
fn value(x: u32, y: u32, channel: u32) -> u8 {
    let noise = (x * 7919 + y * 104_729 + channel * 1_299_709).wrapping_mul(2_654_435_761) >> 24;
    let edge = if (x / 9 + y / 7).is_multiple_of(2) {
        90
    } else {
        0
    };
    ((x + 2 * y) % 100 + noise / 4 + edge) as u8
}

fn decoded(image: &DynamicImage, size: &str, rgb: bool) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    image.save(&path).unwrap();
    let size: ImageSize = size.parse().unwrap();
    let mut out = vec![0; size.height * size.width * if rgb { 3 } else { 1 }];
    Decoder::default()
        .decode(&path, size, rgb, &mut out)
        .unwrap();
    out
}

/// Against the filter of `image`, which computes in floating point.
#[test]
fn sizes_are_those_of_a_triangle_filter() {
    let (width, height) = (178, 218);
    let grey = GrayImage::from_fn(width, height, |x, y| image::Luma([value(x, y, 0)]));
    let rgb = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([0, 1, 2].map(|c| value(x, y, c)))
    });
    for size in [
        "64x64", "32x64", "218x64", "218x178", "300x250", "7x500", "1x1",
    ] {
        let sides: ImageSize = size.parse().unwrap();
        let (wide, tall) = (sides.width as u32, sides.height as u32);
        let expected = imageops::resize(&grey, wide, tall, Triangle).into_raw();
        let found = decoded(&grey.clone().into(), size, false);
        check(&found, &expected, size);
        let expected = imageops::resize(&rgb, wide, tall, Triangle);
        let found = decoded(&rgb.clone().into(), size, true);
        for (channel, found) in found.chunks(sides.height * sides.width).enumerate() {
            let expected: Vec<u8> = expected.pixels().map(|p| p.0[channel]).collect();
            check(found, &expected, size);
        }
    }
}

fn check(found: &[u8], expected: &[u8], size: &str) {
    let apart = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    let (most, sum) = apart.fold((0, 0), |(most, sum), d| (most.max(d), sum + u64::from(d)));
    assert_eq!(found.len(), expected.len());
    let mean = sum as f64 / found.len() as f64;
    assert!(
        most <= 1 && mean < 0.25,
        "{size}: {most} levels at most, {mean} on average"
    );
}
