//! What holds for qualities of images and for tables.

use vae_analysis::*;

/// By hand: one of four pixels is off by 2, so that the mean squared error is 1: 10 log10(10^2 / 1) = 20 dB.
#[test]
fn psnr_by_hand() {
    let shape = ImageShape::new(1, 2, 2).unwrap();
    let quality = psnr(shape, &[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 6.0], 10.0).unwrap();
    assert!((quality - 20.0).abs() < 1e-12, "{quality}");
    assert_eq!(
        psnr(shape, &[1.0; 4], &[1.0; 4], 1.0).unwrap(),
        f64::INFINITY
    );
}

#[test]
fn an_image_is_like_itself_however_small() {
    for (height, width) in [(1, 1), (1, 5), (2, 2), (10, 30), (28, 28)] {
        let shape = ImageShape::new(2, height, width).unwrap();
        let image: Vec<f32> = (0..shape.len())
            .map(|i| ((i * 37) % 11) as f32 / 10.0)
            .collect();
        assert!((ssim(shape, &image, &image, 1.0).unwrap() - 1.0).abs() < 1e-12);
        let other: Vec<f32> = image.iter().map(|v| 1.0 - v).collect();
        assert!(ssim(shape, &image, &other, 1.0).unwrap() < 1.0);
        assert_eq!(median_filter(shape, &image, 1).unwrap(), image);
        assert_eq!(median_filter(shape, &image, 5).unwrap().len(), image.len());
    }
}

#[test]
fn what_is_no_image_is_refused() {
    assert!(ImageShape::new(0, 2, 2).is_err());
    let shape = ImageShape::new(1, 2, 2).unwrap();
    assert!(psnr(shape, &[1.0; 4], &[1.0; 8], 1.0).is_err());
    assert!(psnr(shape, &[], &[], 1.0).is_err());
    assert!(ssim(shape, &[1.0; 4], &[f32::NAN; 4], 1.0).is_err());
    assert!(ssim(shape, &[1.0; 4], &[1.0; 4], 0.0).is_err());
    assert!(median_filter(shape, &[1.0; 4], 4).is_err());
}

const NAN: f64 = f64::NAN;

#[test]
fn a_table_is_like_itself() {
    let numbers = [1.0, 2.0, NAN, 4.0];
    let falling = [9.0, 5.0, 4.0, 1.0];
    let categories = [Some(1), None, Some(0), Some(1)];
    let table = [
        Column::Numbers(&numbers),
        Column::Categories(&categories),
        Column::Numbers(&falling),
    ];
    let fidelity = Fidelity::new(&table, &table).unwrap();
    assert_eq!(fidelity.shapes, [Some(1.0); 3]);
    assert!(
        fidelity.trends.iter().all(|t| t.score == Some(1.0)),
        "{fidelity:?}"
    );
    assert_eq!(fidelity.overall, Some(1.0));
}

/// By hand. Numbers: r is 1 and -1, hence 1 - 2 / 2 = 0; the distribution functions of 1, 2 and 2, 3 differ by a half at
/// most. Categories: the shares are 1/2, 1/2, 0 and 0, 1/2, 1/2, hence 1 - (1/2 + 0 + 1/2) / 2 = 1/2.
#[test]
fn scores_by_hand() {
    let trend = column_pair_trend(
        (Column::Numbers(&[1.0, 2.0]), Column::Numbers(&[5.0, 6.0])),
        (Column::Numbers(&[1.0, 2.0]), Column::Numbers(&[6.0, 5.0])),
    );
    assert!(trend.unwrap().unwrap().abs() < 1e-12);
    let shape = column_shape(
        Column::Numbers(&[1.0, 2.0]),
        Column::Numbers(&[2.0, NAN, 3.0]),
    );
    assert_eq!(shape.unwrap(), Some(0.5));
    let shape = column_shape(
        Column::Categories(&[Some(0), Some(1), None]),
        Column::Categories(&[Some(1), Some(2)]),
    );
    assert_eq!(shape.unwrap(), Some(0.5));
}

#[test]
fn what_is_not_defined_is_none() {
    let constant = [2.0; 3];
    let numbers = [1.0, 2.0, 3.0];
    let empty = [NAN; 3];
    let real = [
        Column::Numbers(&numbers),
        Column::Numbers(&constant),
        Column::Numbers(&numbers),
    ];
    let synthetic = [
        Column::Numbers(&empty),
        Column::Numbers(&numbers),
        Column::Numbers(&numbers),
    ];
    let fidelity = Fidelity::new(&real, &synthetic).unwrap();
    assert_eq!(fidelity.shapes[0], None);
    assert!(
        fidelity.trends.iter().all(|t| t.score.is_none()),
        "{fidelity:?}"
    );
    assert_eq!((fidelity.trend, fidelity.overall), (None, fidelity.shape));
}

#[test]
fn tables_that_do_not_match_are_refused() {
    let numbers = Column::Numbers(&[1.0, 2.0]);
    let categories = Column::Categories(&[None, Some(3)]);
    assert!(Fidelity::new(&[numbers], &[categories]).is_err());
    assert!(Fidelity::new(&[numbers], &[]).is_err());
    assert!(Fidelity::new(&[], &[]).is_err());
    assert!(Fidelity::new(&[numbers, Column::Numbers(&[1.0])], &[numbers, numbers]).is_err());
    assert!(column_shape(numbers, Column::Numbers(&[f64::INFINITY])).is_err());
}
