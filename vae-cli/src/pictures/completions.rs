//! Pictures of images that were completed.

use anyhow::Result;
use vae_variants::{Completions, Description};

use super::Picture;
use super::images::{COLUMNS, Texts, grid, pixel, shape};
use super::tone::{Rgb, Tone};

/// What is hidden.
const HIDDEN: Rgb = [150, 178, 204];

/// The most completions below each other.
const ROWS: usize = 6;

/// Rows of what is given, of completions, of their spread if there are several, and of the whole images. It shows
/// the first 16 examples, and 6 completions of each.
///
/// # Errors
/// If they are no images.
pub fn completions(of: &Completions, data: &Description) -> Result<Picture> {
    let shape = shape(data)?;
    let features = data.shape.features();
    let columns = (of.given.len() / features).min(COLUMNS);
    let tone = Tone::of(data, &of.given);
    let several = of.completed.len() > 1;
    let spread = several.then(|| of.spread());
    let spread_tone = Tone::new((0.0, 0.5 * (data.range.1 - data.range.0)));

    let mut rows = vec![("given".to_owned(), &of.given)];
    for (number, values) in (1..).zip(&of.completed).take(ROWS) {
        let name = match several {
            true => format!("completion {number}"),
            false => "completed".to_owned(),
        };
        rows.push((name, values));
    }
    rows.extend(spread.iter().map(|spread| ("spread".to_owned(), spread)));
    rows.push(("original".to_owned(), &of.given));
    let labels: Vec<String> = rows.iter().map(|row| row.0.clone()).collect();
    let image = grid(
        shape,
        columns * rows.len(),
        columns,
        Texts::beside(&labels),
        |number, at| {
            let (row, column) = (number / columns, number % columns);
            let (name, values) = &rows[row];
            let channels = pixel(values, shape, column, at);
            match name.as_str() {
                "given" if of.missing[column * features + at] => HIDDEN,
                "spread" => spread_tone.color(&channels),
                _ => tone.color(&channels),
            }
        },
    )?;
    Picture::new(&image, None)
}

#[cfg(test)]
mod tests {
    use vae_data::DataShape;

    use super::super::tests::{decode, described};
    use super::*;

    /// Two images of one pixel, of which the second is hidden: rows of 96 pixels and a gap of 4 each.
    #[test]
    fn rows_of_what_is_given_completed_and_original() {
        let data = described(DataShape::new([1, 1, 1]).unwrap(), (0.0, 1.0), &[]);
        let of = Completions {
            given: vec![1.0, 0.0],
            missing: vec![false, true],
            completed: vec![vec![1.0, 1.0], vec![1.0, 0.5]],
            accepted: None,
        };
        let image = decode(&completions(&of, &data).unwrap().png);
        let (right, top) = (image.width() - 12 - 48, 12 + 48);
        let pixel = |column: u32, row: u32| {
            let x = right - (1 - column) * 100;
            image.get_pixel(x, top + row * 100).0
        };
        assert_eq!([pixel(0, 0), pixel(1, 0)], [[255; 3], HIDDEN]);
        assert_eq!([pixel(0, 1), pixel(1, 1)], [[255; 3], [255; 3]]);
        assert_eq!([pixel(0, 2), pixel(1, 2)], [[255; 3], [128; 3]]);
        // A spread of 0.25 of 0.5.
        assert_eq!([pixel(0, 3), pixel(1, 3)], [[0; 3], [128; 3]]);
        assert_eq!([pixel(0, 4), pixel(1, 4)], [[255; 3], [0; 3]]);
    }
}
