use vae_data::DataShape;

use super::*;
use crate::pictures::tests::{decode, described};
use crate::pictures::{histograms, reconstructions};

fn table(features: usize) -> Description {
    described(DataShape::flat(features), (0.0, 1.0), &["first"])
}

fn pictured(features: usize, input: &[f32], output: &[f32]) -> image::RgbImage {
    let of = Reconstructions {
        target: input.to_vec(),
        corrupted: None,
        reconstructed: output.to_vec(),
    };
    decode(&reconstructions(&of, &table(features)).unwrap().png)
}

/// Whether a pixel is more blue than red: a point, or several.
fn blue(pixel: &image::Rgb<u8>) -> bool {
    pixel.0[2] > pixel.0[0].saturating_add(40)
}

#[test]
fn each_column_has_a_chart_with_points() {
    for (features, size) in [
        (2, (580, 316)),
        (4, (580, 596)),
        (12, (1160, 876)),
        (40, (1160, 876)),
    ] {
        let values: Vec<f32> = (0..features * 50).map(|i| (i as f32).sin()).collect();
        let image = pictured(features, &values, &values);
        assert_eq!(image.dimensions(), size);
        let columns = size.0 / 290;
        for chart in 0..features.min(12) as u32 {
            let (left, top) = (chart % columns * 290, 36 + chart / columns * 280);
            let inside =
                |x: u32, y: u32| (left..left + 290).contains(&x) && (top..top + 280).contains(&y);
            let pixels = image.enumerate_pixels().filter(|(x, y, _)| inside(*x, *y));
            assert!(
                pixels.filter(|(_, _, p)| blue(p)).count() > 50,
                "chart {chart}"
            );
        }
    }
}

#[test]
fn equal_values_are_on_the_diagonal() {
    let values: Vec<f32> = (0..50).map(|i| i as f32).collect();
    let image = pictured(1, &values, &values);
    let points = image
        .enumerate_pixels()
        .filter(|(_, y, p)| *y > 60 && blue(p));
    let points: Vec<(f64, f64)> = points.map(|(x, y, _)| (x.into(), y.into())).collect();
    let (first, last) = (points[points.len() - 1], points[0]);
    let slope = (last.1 - first.1) / (last.0 - first.0);
    for (x, y) in points {
        let line = first.1 + slope * (x - first.0);
        assert!((y - line).abs() < 8.0, "({x}, {y}): {line}");
    }
}

#[test]
fn fractions_are_of_all_finite_values() {
    let x = -0.5..10.5;
    let heights = |values| -> Vec<f64> {
        let outline = bars(values, &x, BARS);
        let tops = outline[1..].chunks_exact(2);
        tops.map(|top: &[(f64, f64)]| top[0].1).collect()
    };
    let bars = heights(&[0.0, 10.0, -100.0, 1e200, f64::NAN]);
    assert_eq!(bars.len(), BARS);
    assert!((bars.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert_eq!((bars[0], bars[BARS - 1]), (0.25, 0.25));
    assert_eq!(heights(&[f64::NAN]), [0.0; BARS]);
}

#[test]
fn histograms_show_data_and_samples() {
    let data: Vec<f32> = (0..300).map(|i| (i as f32).sin()).collect();
    let samples: Vec<f32> = (0..90).map(|i| (i as f32).cos() * 3.0).collect();
    let image = decode(&histograms(&data, &samples, &table(3)).unwrap().png);
    assert_eq!(image.dimensions(), (870, 316));
    for chart in 0..3_u32 {
        let inside = |x: u32, y: u32| x / 290 == chart && y > 36;
        let pixels = image.enumerate_pixels().filter(|(x, y, _)| inside(*x, *y));
        let bars = pixels.clone().filter(|(_, _, p)| blue(p)).count();
        let outline = pixels.filter(|(_, _, p)| p.0 == VERMILION).count();
        assert!(bars > 1000 && outline > 200, "{bars}, {outline}");
    }
}

#[test]
fn odd_tables_have_a_picture_or_an_error() {
    let data = table(2);
    assert!(histograms(&[], &[0.0; 2], &data).is_err());
    assert!(histograms(&[0.0; 2], &[], &data).is_err());
    assert!(histograms(&[0.0; 2], &[0.0; 3], &data).is_err());
    for value in [0.0, f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE] {
        let values = [value, -value, 1.0, value];
        assert!(histograms(&values, &values, &data).is_ok());
        assert!(histograms(&values, &[0.0; 2], &data).is_ok());
        pictured(2, &values, &values);
        pictured(1, &[value], &[1.0]);
    }
}

#[test]
fn the_legend_says_what_is_not_shown() {
    let mut legend = Vec::new();
    assert_eq!(
        shown(
            &table(3),
            &[&[1.0, f32::NAN], &[f32::INFINITY]],
            &mut legend
        ),
        3
    );
    assert_eq!(shown(&table(13), &[&[1.0]], &mut legend), 12);
    let remarks: Vec<&str> = legend.iter().map(|(_, remark)| remark.as_str()).collect();
    let expected = [
        "not shown, as they are not finite: 2 values",
        "the first 12 of 13 columns",
    ];
    assert_eq!(remarks, expected);
}
