//! Text, in a font that is part of the program: it needs none of the system.

use anyhow::{Result, anyhow};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, IntoFont, TextStyle, register_font};

use super::tone::{self, INK, Rgb};

/// A part of DejaVu Sans; see `assets/LICENSE-DejaVuSans.txt`.
const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans-subset.ttf");

/// The name that it is asked for by, here and in SVG files.
const NAME: &str = "sans-serif";

/// How text of a size in pixels and a colour looks; in an SVG file it is in the viewer's own
/// sans-serif font. Its middle is at the height of the point it is drawn at; `side` says
/// which part of its width is there.
///
/// # Errors
/// If the font of the program cannot be read.
pub fn style(size: i32, side: HPos, color: Rgb) -> Result<TextStyle<'static>> {
    register_font(NAME, FontStyle::Normal, FONT)
        .map_err(|_| anyhow!("the font of the program cannot be read"))?;
    let style = (NAME, size).into_font().color(&tone::color(color, 1.0));
    Ok(style.pos(Pos::new(side, VPos::Center)))
}

/// The width of a text in pixels. What the font lacks is taken to be wide.
///
/// # Errors
/// If the font of the program cannot be read.
pub fn width(text: &str, size: i32) -> Result<i32> {
    let wide = |c: char| if c < '\u{1100}' { c } else { 'W' };
    let text: String = text.chars().map(wide).collect();
    let font = style(size, HPos::Left, INK)?.font;
    Ok(font.box_size(&text)?.0 as i32)
}

/// The text, cut and ended with "…" if it is wider than `limit` pixels.
///
/// # Errors
/// If the font of the program cannot be read.
pub fn shorten(text: &str, size: i32, limit: i32) -> Result<String> {
    // No file in XML may hold these.
    let odd = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    let visible = |c: char| if odd(c) { ' ' } else { c };
    // No text this long fits, and each cut measures it anew.
    let mut kept: Vec<char> = text.chars().take(200).map(visible).collect();
    let mut shown: String = kept.iter().collect();
    while width(&shown, size)? > limit && kept.pop().is_some() {
        shown = kept.iter().collect::<String>().trim_end().to_owned() + "…";
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shorten("short", 20, 200).unwrap(), "short");
        let cut = shorten(&"long ".repeat(10_000), 20, 200).unwrap();
        assert!(cut.starts_with("long long") && cut.ends_with('…'), "{cut}");
        assert!(width(&cut, 20).unwrap() <= 200);
        assert_eq!(shorten("two\nlines", 20, 200).unwrap(), "two lines");
        assert_eq!(shorten("no space", 20, 0).unwrap(), "…");
    }
}
