//! Text, in a font that is part of the program: it needs none of the system.

use std::sync::OnceLock;

use anyhow::{Result, ensure};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, register_font,
};

use super::canvas::{Area, Canvas, Rgb};

/// The colour of text and axes.
pub const INK: Rgb = [45, 45, 45];

/// A part of DejaVu Sans; see `assets/LICENSE-DejaVuSans.txt`.
const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans-subset.ttf");

/// Where text stands, relative to the point it is drawn at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Align {
    /// To the right of the point.
    Left,
    /// Around the point.
    Center,
    /// To the left of the point.
    Right,
    /// Around the point, and read from the bottom to the top.
    Upwards,
}

/// The font at a size in pixels.
fn font(size: i32) -> Result<FontDesc<'static>> {
    const NAME: &str = "pictures";
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered =
        REGISTERED.get_or_init(|| register_font(NAME, FontStyle::Normal, FONT).is_ok());
    ensure!(*registered, "the font of the program cannot be read");
    let family = FontFamily::Name(NAME);
    Ok(FontDesc::new(family, f64::from(size), FontStyle::Normal))
}

/// The width of a text in pixels.
///
/// # Errors
/// If the font cannot be read.
pub fn width(text: &str, size: i32) -> Result<i32> {
    Ok(font(size)?.box_size(text)?.0 as i32)
}

/// The text, cut and ended with "…" if it is wider than `limit` pixels.
///
/// # Errors
/// If the font cannot be read.
pub fn shorten(text: &str, size: i32, limit: i32) -> Result<String> {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    // No text this long fits, and each cut measures it anew.
    let mut kept: Vec<char> = text.chars().take(200).map(visible).collect();
    let mut shown: String = kept.iter().collect();
    while width(&shown, size)? > limit && kept.pop().is_some() {
        shown = kept.iter().collect::<String>().trim_end().to_owned() + "…";
    }
    Ok(shown)
}

/// Draws text with the middle of its capitals at the height of the point.
///
/// # Errors
/// If the font cannot be read.
pub fn write(
    area: &Area<'_>,
    text: &str,
    (x, y): (i32, i32),
    size: i32,
    align: Align,
    color: Rgb,
) -> Result<()> {
    let position = match align {
        Align::Left => HPos::Left,
        Align::Center | Align::Upwards => HPos::Center,
        Align::Right => HPos::Right,
    };
    // The baseline is drawn half a size below the point; capitals are 0.63 high.
    let up = (f64::from(size) * 0.187).round() as i32;
    let [r, g, b] = color;
    let style = font(size)?.color(&RGBColor(r, g, b).to_rgba());
    let style = style.pos(Pos::new(position, VPos::Top));
    if align == Align::Upwards {
        let style = style.transform(FontTransform::Rotate270);
        area.draw_text(text, &style, (x - up, y))?;
    } else {
        area.draw_text(text, &style, (x, y - up))?;
    }
    Ok(())
}

/// Lines of text, each with its size, aligned to the right.
///
/// # Errors
/// If the font cannot be read.
pub fn label(lines: &[(String, i32)], limit: i32, background: Rgb) -> Result<Canvas> {
    let (mut widest, mut height) = (1, 0);
    let mut drawn = Vec::new();
    for (text, size) in lines {
        let text = shorten(text, size * 2, limit * 2)?;
        widest = widest.max(width(&text, size * 2)? + 2);
        drawn.push((text, size * 2, height + size * 5 / 4));
        height += size * 5 / 2;
    }
    let mut canvas = Canvas::new(widest as usize + 1, height.max(2) as usize, background)?;
    let area = canvas.area();
    for (text, size, y) in drawn {
        write(&area, &text, (widest, y), size, Align::Right, INK)?;
    }
    drop(area);
    canvas.halved()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::decode;

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shorten("short", 20, 200).unwrap(), "short");
        let cut = shorten(&"long ".repeat(10_000), 20, 200).unwrap();
        assert!(cut.starts_with("long long") && cut.ends_with('…'), "{cut}");
        assert!(width(&cut, 20).unwrap() <= 200);
        assert_eq!(shorten("two\nlines", 20, 200).unwrap(), "two lines");
        assert_eq!(shorten("no space", 20, 0).unwrap(), "…");
    }

    #[test]
    fn a_label_has_ink_in_every_line() {
        let lines = [("Größe ≤ 3".to_owned(), 15), ("日本 🙂".to_owned(), 11)];
        let canvas = label(&lines, 200, [255; 3]).unwrap();
        let image = decode(&canvas.png().unwrap());
        let ink = |rows: std::ops::Range<u32>| {
            let mut rows = image
                .rows()
                .enumerate()
                .filter(|(y, _)| rows.contains(&(*y as u32)));
            rows.any(|(_, mut row)| row.any(|pixel| pixel.0[0] < 128))
        };
        assert_eq!(image.height(), 32);
        assert!(ink(2..17) && ink(20..32) && !ink(0..2));
        assert!(label(&[], 200, [255; 3]).is_ok());
        assert!(label(&[(String::new(), 15)], 200, [255; 3]).is_ok());
    }

    #[test]
    fn every_way_to_align_is_around_its_point() {
        for (align, at) in [
            (Align::Left, (75, 50)),
            (Align::Center, (50, 50)),
            (Align::Right, (25, 50)),
            (Align::Upwards, (50, 50)),
        ] {
            let mut canvas = Canvas::new(100, 100, [255; 3]).unwrap();
            write(&canvas.area(), "HHHH", (50, 50), 20, align, INK).unwrap();
            let image = decode(&canvas.png().unwrap());
            let pixels = image.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 128);
            let (mut x, mut y) = ((u32::MAX, 0), (u32::MAX, 0));
            for (px, py, _) in pixels {
                x = (x.0.min(px), x.1.max(px));
                y = (y.0.min(py), y.1.max(py));
            }
            let middle = (u32::midpoint(x.0, x.1), u32::midpoint(y.0, y.1));
            assert!(middle.0.abs_diff(at.0) <= 4, "{align:?}: {middle:?}");
            assert!(middle.1.abs_diff(at.1) <= 4, "{align:?}: {middle:?}");
        }
    }
}
