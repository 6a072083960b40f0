use vae_data::DataShape;
use vae_variants::{Description, Reconstructions};

use super::{BACKGROUND, size, tile};
use crate::pictures::tests::{decode, described};
use crate::pictures::tone::{BLUE, NOT_FINITE, VERMILION};
use crate::pictures::{reconstructions, samples};

/// Images of one value each.
fn plain(values: &[f32], features: usize) -> Vec<f32> {
    let of_one = |value: &f32| vec![*value; features];
    values.iter().flat_map(of_one).collect()
}

fn ramp(count: usize) -> Vec<f32> {
    (0..count).map(|i| i as f32 / (count - 1) as f32).collect()
}

fn images(shape: [usize; 3], range: (f32, f32)) -> Description {
    described(DataShape::new(shape).unwrap(), range, &[])
}

fn digits() -> Description {
    images([1, 28, 28], (0.0, 1.0))
}

#[test]
fn samples_are_in_a_square_and_all_are_shown() {
    let picture = samples(&plain(&ramp(64), 784), &digits(), &[]).unwrap();
    let image = decode(&picture.png);
    // Eight images of 3 * 28 pixels, seven gaps of 4, two margins of 12.
    assert_eq!(image.dimensions(), (724, 724));
    for (i, value) in ramp(64).into_iter().enumerate() {
        let (x, y) = (12 + (i as u32 % 8) * 88, 12 + (i as u32 / 8) * 88);
        let level = (value * 255.0).round() as u8;
        for (dx, dy) in [(0, 0), (42, 42), (83, 83)] {
            assert_eq!(image.get_pixel(x + dx, y + dy).0, [level; 3], "image {i}");
        }
        assert_eq!(image.get_pixel(x + 84, y).0, BACKGROUND);
        assert_eq!(image.get_pixel(x - 1, y).0, BACKGROUND);
    }
}

#[test]
fn a_square_may_be_incomplete() {
    let one = images([1, 1, 1], (0.0, 1.0));
    let image = decode(&samples(&[1.0; 5], &one, &[]).unwrap().png);
    assert_eq!(image.dimensions(), (3 * 96 + 2 * 4 + 24, 2 * 96 + 4 + 24));
    let white = image.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
    assert_eq!(white, 5 * 96 * 96);
}

#[test]
fn rows_have_labels() {
    let rows: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    let picture = samples(&plain(&ramp(30), 784), &digits(), &rows).unwrap();
    let image = decode(&picture.png);
    assert_eq!(image.height(), 10 * 84 + 9 * 4 + 24);
    let left = image.width() - (3 * 84 + 2 * 4 + 12);
    assert!((50..150).contains(&left), "{left}");
    for (i, value) in ramp(30).into_iter().enumerate() {
        let (row, column) = (i as u32 / 3, i as u32 % 3);
        let pixel = image.get_pixel(left + column * 88, 12 + row * 88);
        assert_eq!(pixel.0, [(value * 255.0).round() as u8; 3]);
    }
    for row in 0..10 {
        let (top, mut ink) = (12 + row * 88, 0);
        for y in top..top + 84 {
            ink += (12..left)
                .filter(|&x| image.get_pixel(x, y).0[0] < 128)
                .count();
        }
        assert!(ink > 50, "row {row}: {ink}");
    }
    assert!(samples(&plain(&ramp(31), 784), &digits(), &rows).is_err());
}

#[test]
fn labels_of_flat_images_do_not_overlap() {
    let flat = images([1, 1, 96], (0.0, 1.0));
    let rows = ["a".to_owned(), "b".to_owned()];
    let image = decode(&samples(&[0.0; 2 * 96], &flat, &rows).unwrap().png);
    // A label of size 15 is 18 pixels high.
    assert_eq!(image.height(), 2 * 18 + 4 + 24);
}

fn pictured(input: &[f32], corrupted: Option<&[f32]>, output: &[f32]) -> image::RgbImage {
    let of = Reconstructions {
        target: input.to_vec(),
        corrupted: corrupted.map(<[f32]>::to_vec),
        reconstructed: output.to_vec(),
    };
    let data = images([1, 28, 28], (-1.0, 1.0));
    decode(&reconstructions(&of, &data).unwrap().png)
}

#[test]
fn reconstructions_are_below_their_inputs() {
    let input = plain(&[-1.0, 1.0, -1.0, 0.2], 784);
    let output = plain(&[-1.0, -1.0, 1.0, f32::NAN], 784);
    let image = pictured(&input, None, &output);
    assert_eq!(image.height(), 3 * 84 + 2 * 4 + 24);
    let left = image.width() - (4 * 84 + 3 * 4 + 12);
    let row = |row: u32| [0, 1, 2, 3].map(|i| image.get_pixel(left + i * 88, 12 + row * 88).0);
    assert_eq!(row(0), [[0; 3], [255; 3], [0; 3], [153; 3]]);
    assert_eq!(row(1), [[0; 3], [0; 3], [255; 3], NOT_FINITE]);
    assert_eq!(row(2), [[255; 3], BLUE, VERMILION, NOT_FINITE]);

    let corrupted = plain(&[1.0; 4], 784);
    let image = pictured(&input, Some(&corrupted), &output);
    assert_eq!(image.height(), 4 * 84 + 3 * 4 + 24);
    let row = |row: u32| [0, 1, 2, 3].map(|i| image.get_pixel(left + i * 88, 12 + row * 88).0);
    assert_eq!(row(1), [[255; 3]; 4]);
    assert_eq!(row(2), [[0; 3], [0; 3], [255; 3], NOT_FINITE]);
}

#[test]
fn the_first_sixteen_reconstructions_are_shown() {
    let values = plain(&[0.0; 20], 784);
    let sixteen = pictured(&values[..16 * 784], None, &values[..16 * 784]);
    assert_eq!(pictured(&values, None, &values), sixteen);
}

#[test]
fn what_cannot_be_drawn_is_an_error() {
    assert!(samples(&[], &digits(), &[]).is_err());
    assert!(samples(&[0.0; 785], &digits(), &[]).is_err());
    let table = described(DataShape::flat(2), (0.0, 1.0), &[]);
    assert!(samples(&[0.0; 4], &table, &[]).is_err());
    let pixels = vec![0.0; 10_000];
    let pixel = images([1, 1, 1], (0.0, 1.0));
    assert!(samples(&pixels, &pixel, &[]).is_ok());
    let long = images([1, 1, 10_000], (f32::NAN, f32::NAN));
    assert!(samples(&pixels, &long, &[]).is_ok());
    let unequal = |input: &[f32], corrupted: Option<&[f32]>, reconstructed: &[f32]| {
        let of = Reconstructions {
            target: input.to_vec(),
            corrupted: corrupted.map(<[f32]>::to_vec),
            reconstructed: reconstructed.to_vec(),
        };
        reconstructions(&of, &pixel)
    };
    assert!(unequal(&[], None, &[]).is_err());
    assert!(unequal(&[1.0], None, &[1.0, 2.0]).is_err());
    assert!(unequal(&[1.0], Some(&[]), &[1.0]).is_err());
    assert!(unequal(&[1.0], Some(&[f32::INFINITY]), &[1.0]).is_ok());
}

#[test]
fn a_label_has_ink_in_every_line() {
    let labelled = |label: &str| {
        let flat = images([1, 1, 96], (0.0, 1.0));
        decode(&samples(&[0.0; 96], &flat, &[label.to_owned()]).unwrap().png)
    };
    let image = labelled("Größe ≤ 3\n日本 🙂");
    let left = image.width() - 96 - 12;
    let ink = |rows: std::ops::Range<u32>| {
        let mut pixels = rows.flat_map(|y| (0..left).map(move |x| (x, y)));
        pixels.any(|(x, y)| image.get_pixel(x, y).0[0] < 128)
    };
    // Two lines of 18 pixels, between margins of 12.
    assert_eq!(image.height(), 2 * 18 + 24);
    assert!(ink(12..30) && ink(30..48) && !ink(0..12) && !ink(48..60));
    labelled("");
    labelled("\n");
}

#[test]
fn small_images_are_enlarged_and_large_ones_reduced() {
    let square = |side, count| size([1, side, side], count);
    assert_eq!(square(1, 1), (96, 96));
    assert_eq!(square(28, 64), (84, 84));
    assert_eq!(square(32, 64), (96, 96));
    assert_eq!(square(64, 64), (128, 128));
    assert_eq!(square(128, 64), (128, 128));
    assert_eq!(square(193, 64), (97, 97));
    assert_eq!(square(28, 10_000), (28, 28));
    assert_eq!(size([1, 1, 784], 1), (157, 1));
}

/// Each two of 384 pixels become one: (90 + 30) / 2 = 60, (10 + 20) / 2 = 15.
#[test]
fn a_pixel_is_the_mean_of_its_block_and_shows_what_is_not_finite() {
    let shape = [1, 1, 384];
    assert_eq!(size(shape, 1), (192, 1));
    let image = tile(shape, (192, 1), |at| match at {
        0 => [90, 0, 10],
        1 => [30, 0, 20],
        383 => NOT_FINITE,
        _ => [7; 3],
    });
    assert_eq!(image.get_pixel(0, 0).0, [60, 0, 15]);
    assert_eq!(image.get_pixel(1, 0).0, [7; 3]);
    assert_eq!(image.get_pixel(191, 0).0, NOT_FINITE);
}

#[test]
fn what_is_not_finite_is_seen_in_reduced_images_of_any_size() {
    for side in [193, 200, 300, 577, 1000] {
        let shape = [1, side, side];
        let (width, height) = size(shape, 1);
        let bad = side * side - 1;
        let image = tile(shape, (width as u32, height as u32), |at| {
            if at == bad { NOT_FINITE } else { [0; 3] }
        });
        let (x, y) = (width as u32 - 1, height as u32 - 1);
        assert_eq!(image.get_pixel(x, y).0, NOT_FINITE, "{side}");
    }
}
