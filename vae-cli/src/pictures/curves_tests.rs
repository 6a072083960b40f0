use super::*;
use crate::pictures::tests::decode;

fn epoch(epoch: usize, train: &[(&str, f64)], validation: &[(&str, f64)]) -> MetricsRow {
    MetricsRow {
        epoch,
        train: train.iter().copied().collect(),
        validation: (!validation.is_empty()).then(|| validation.iter().copied().collect()),
        ..MetricsRow::default()
    }
}

fn of_color(image: &image::RgbImage, color: [u8; 3]) -> Vec<(u32, u32)> {
    let pixels = image.enumerate_pixels().filter(|(_, _, p)| p.0 == color);
    pixels.map(|(x, y, _)| (x, y)).collect()
}

#[test]
fn each_quantity_has_a_chart() {
    let names = [
        "kl",
        "loss",
        "reconstruction",
        "squared_error",
        "active_fraction",
    ];
    for (count, size) in [
        (2, (800, 326)),
        (3, (1200, 326)),
        (4, (800, 616)),
        (5, (1200, 616)),
    ] {
        let values = names[..count].iter().map(|name| (*name, 1.5));
        let values: Vec<_> = values.collect();
        let history = [epoch(1, &values, &values), epoch(2, &values, &values)];
        let image = decode(&curves(&history).unwrap().png);
        assert_eq!(image.dimensions(), size);
        assert!(!of_color(&image, VERMILION).is_empty());
    }
}

#[test]
fn the_loss_is_first() {
    let history = [
        epoch(1, &[("kl", 1.0), ("loss", 2.0)], &[]),
        epoch(2, &[], &[("other", 3.0), ("kl", 1.0)]),
    ];
    assert_eq!(names(&history), ["loss", "kl", "other"]);
}

#[test]
fn the_best_epoch_is_the_first_with_the_lowest_validation_loss() {
    let loss = |number, value| epoch(number, &[("loss", 0.0)], &[("loss", value)]);
    let history = [loss(3, 2.0), loss(4, f64::NAN), loss(5, 1.0), loss(6, 1.0)];
    assert_eq!(best(&history), Some((5.0, 1.0)));
    assert_eq!(best(&[loss(1, f64::NEG_INFINITY)]), None);
    assert_eq!(best(&[epoch(1, &[("loss", 1.0)], &[])]), None);
}

#[test]
fn one_epoch_is_two_points() {
    let history = [epoch(1, &[("loss", 2.0)], &[("loss", 1.0)])];
    let image = decode(&curves(&history).unwrap().png);
    for color in [BLUE, VERMILION] {
        let chart = of_color(&image, color).into_iter().filter(|&(_, y)| y > 36);
        let points: Vec<_> = chart.collect();
        assert!((20..120).contains(&points.len()), "{}", points.len());
        // Both are in the middle of the chart.
        assert!(points.iter().all(|(x, _)| x.abs_diff(points[0].0) < 12));
    }
}

#[test]
fn values_that_are_not_finite_are_gaps() {
    let history: Vec<MetricsRow> = (0..=100)
        .map(|i| {
            let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][i % 3];
            epoch(
                i,
                &[("loss", if (40..60).contains(&i) { odd } else { 5.0 })],
                &[],
            )
        })
        .collect();
    let image = decode(&curves(&history).unwrap().png);
    let chart = of_color(&image, BLUE).into_iter().filter(|&(_, y)| y > 36);
    let mut columns: Vec<u32> = chart.map(|(x, _)| x).collect();
    columns.sort_unstable();
    columns.dedup();
    let (first, last) = (columns[0], columns[columns.len() - 1]);
    let gaps: Vec<u32> = columns
        .windows(2)
        .map(|w| w[1] - w[0])
        .filter(|gap| *gap > 1)
        .collect();
    // From epoch 39 to epoch 60 of 100.
    assert_eq!(gaps.len(), 1);
    let part = f64::from(gaps[0]) / f64::from(last - first);
    assert!((0.19..0.23).contains(&part), "{part}");
}

#[test]
fn odd_histories_have_a_picture_or_an_error() {
    assert!(curves(&[]).is_err());
    assert!(curves(&[epoch(1, &[], &[])]).is_err());
    let values = [
        f64::NAN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::from(f32::MAX),
        -1e299,
        0.0,
    ];
    for value in values {
        let name = "a name with a \u{1f642} that is far too long for the width of one chart";
        let history = [
            epoch(
                usize::MAX,
                &[("loss", value)],
                &[(name, value), ("loss", value)],
            ),
            epoch(0, &[("", 1.0)], &[]),
        ];
        for history in [&history[..1], &history[..]] {
            assert!(curves(history).is_ok(), "{value}");
        }
    }
}

#[test]
fn a_picture_has_the_same_texts_as_png_and_as_svg_and_the_same_bytes_each_time() {
    let loss = |number| epoch(number, &[("loss", 2.0)], &[("a <b> & c", 1.5)]);
    let history = [loss(1), loss(2)];
    let (one, other) = (curves(&history).unwrap(), curves(&history).unwrap());
    assert!(one.png == other.png && one.svg == other.svg);
    let svg = one.svg.unwrap();
    // Drawn at twice its size, which is that of the PNG file.
    let start = "<svg width=\"800\" height=\"326\" viewBox=\"0 0 1600 652\"";
    assert!(svg.starts_with(start), "{}", &svg[..200]);
    assert_eq!(decode(&one.png).dimensions(), (800, 326));
    for text in [
        "━━  training",
        "━━  validation",
        "loss",
        "a &lt;b&gt; &amp; c",
        "epoch",
    ] {
        assert!(svg.contains(&format!(">\n{text}\n</text>")), "{text}");
    }
    assert!(svg.contains("#0072B2") && svg.contains("#D55E00"));
}

#[test]
fn a_quantity_without_finite_values_is_said_to_have_none() {
    let history = [epoch(1, &[("loss", 1.0), ("kl", f64::NAN)], &[])];
    let svg = curves(&history).unwrap().svg.unwrap();
    assert_eq!(svg.matches("no finite values").count(), 1);
}
