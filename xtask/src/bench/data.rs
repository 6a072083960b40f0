//! Data that are made for a case.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// Images in a file; a training split of 8 in 10 holds the largest batch.
const IMAGES: usize = 1024;

/// What is made for a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Made {
    /// `mnist-mini` will do.
    Nothing,
    /// Images: height, width and channels.
    Images([usize; 3]),
    /// Rows of so many counts.
    Counts(usize),
    /// Numbers and categories, of which some cells are missing.
    Table,
}

impl FromStr for Made {
    type Err = anyhow::Error;

    /// `-`, `images:64x64x3`, `counts:784` or `table`.
    fn from_str(text: &str) -> Result<Self> {
        let (kind, sizes) = text.split_once(':').unwrap_or((text, ""));
        let sizes: Vec<usize> = sizes.split('x').filter_map(|n| n.parse().ok()).collect();
        match (kind, sizes.as_slice()) {
            ("-", []) => Ok(Self::Nothing),
            ("images", &[height, width, channels]) => Ok(Self::Images([height, width, channels])),
            ("counts", &[features]) => Ok(Self::Counts(features)),
            ("table", []) => Ok(Self::Table),
            _ => bail!("no data are called `{text}`"),
        }
    }
}

impl Made {
    /// Writes it, if it is not there yet; the file that holds it.
    pub fn write(self, folder: &Path) -> Result<Option<PathBuf>> {
        let name = match self {
            Self::Nothing => return Ok(None),
            Self::Images([height, width, channels]) => format!("{height}x{width}x{channels}.npy"),
            Self::Counts(features) => format!("counts-{features}.npy"),
            Self::Table => "table.csv".into(),
        };
        let path = folder.join(name);
        if !path.exists() {
            let bytes = self.bytes()?;
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Some(path))
    }

    fn bytes(self) -> Result<Vec<u8>> {
        let mut state = 1_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        match self {
            Self::Nothing => Ok(Vec::new()),
            Self::Images(shape) => {
                let count = IMAGES * shape.iter().product::<usize>();
                let pixels: Vec<u8> = (0..count).map(|_| byte()).collect();
                let [height, width, channels] = shape;
                let shape = format!("{IMAGES}, {height}, {width}, {channels}");
                npy("|u1", &shape, &pixels)
            }
            Self::Counts(features) => {
                // Half of them are 0, few are large.
                let mut count = || f32::from((byte() / 16).saturating_sub(8).pow(2));
                let counts = (0..8192 * features).flat_map(|_| count().to_le_bytes());
                let counts: Vec<u8> = counts.collect();
                npy("<f4", &format!("8192, {features}"), &counts)
            }
            Self::Table => {
                let names = (0..20).map(|column| format!("x{column}"));
                let mut text = names.collect::<Vec<_>>().join(",");
                for _ in 0..9000 {
                    let cells = (0..20).map(|column| match (column, byte()) {
                        (_, 0..13) => String::new(),
                        (0..12, value) => value.to_string(),
                        (_, value) => format!("level {}", value % 5),
                    });
                    let cells = cells.collect::<Vec<_>>().join(",");
                    text += &format!("\n{cells}");
                }
                Ok(text.into_bytes())
            }
        }
    }
}

/// An array in NumPy's format.
fn npy(kind: &str, shape: &str, values: &[u8]) -> Result<Vec<u8>> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    // The length of magic, version, length and header is a multiple of 64.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let length = u16::try_from(header.len()).context("the header is short")?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend_from_slice(values);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_read_as_they_are_named() {
        let made = |text: &str| text.parse::<Made>();
        assert_eq!(made("-").unwrap(), Made::Nothing);
        assert_eq!(made("images:37x53x3").unwrap(), Made::Images([37, 53, 3]));
        assert_eq!(made("counts:784").unwrap(), Made::Counts(784));
        assert_eq!(made("table").unwrap(), Made::Table);
        assert!(made("images:37x53").is_err() && made("sounds").is_err());
    }
}
