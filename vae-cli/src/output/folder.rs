//! Folders of images.

use std::{fs, io::Cursor, path::Path};

use anyhow::{Context, Result, bail};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

/// Makes a folder that `work` fills: it has a temporary name until its end, so that it is whole or absent.
///
/// # Errors
/// Those of `work`, and if the folder holds files already or cannot be written.
pub fn write_folder(path: &Path, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let name = || format!("cannot write {}", path.display());
    if path.exists() {
        if !path.is_dir() || fs::read_dir(path).with_context(name)?.next().is_some() {
            bail!(
                "--out {} is there already: name a folder that is new or empty",
                path.display()
            );
        }
        fs::remove_dir(path).with_context(name)?;
    }
    let last = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{last}.{}.partial", std::process::id()));
    fs::create_dir_all(&partial).with_context(name)?;
    let done = work(&partial).and_then(|()| fs::rename(&partial, path).with_context(name));
    if done.is_err() {
        drop(fs::remove_dir_all(&partial));
    }
    done
}

/// An image of one, three or four channels, `[channels, height, width]`, as a PNG file: 0 is black and 1 white.
///
/// # Errors
/// If it has another number of channels.
pub fn png(values: &[f32], [channels, height, width]: [usize; 3]) -> Result<Vec<u8>> {
    let color = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        4 => ExtendedColorType::Rgba8,
        _ => bail!("an image file has no {channels} channels: --out FILE.npy"),
    };
    let level = |value: f32| (value * 255.0).round().clamp(0.0, 255.0) as u8;
    let plane = height * width;
    let at = |place: usize| level(values[place % channels * plane + place / channels]);
    let bytes: Vec<u8> = (0..channels * plane).map(at).collect();
    let mut png = Cursor::new(Vec::new());
    PngEncoder::new(&mut png).write_image(&bytes, width as u32, height as u32, color)?;
    Ok(png.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_where_they_were() {
        let values: Vec<f32> = (0..12).map(|value| value as f32 / 255.0).collect();
        let image = image::load_from_memory(&png(&values, [3, 2, 2]).unwrap()).unwrap();
        assert_eq!(image.to_rgb8().get_pixel(1, 0).0, [1, 5, 9]);
        assert!(png(&values[..8], [2, 2, 2]).is_err());
    }

    #[test]
    fn a_folder_is_whole_or_absent() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("images");
        let fill = |folder: &Path| Ok(fs::write(folder.join("a"), b"1")?);
        let failed = write_folder(&path, |folder| {
            fill(folder)?;
            bail!("no more")
        });
        assert!(failed.is_err() && fs::read_dir(place.path()).unwrap().next().is_none());
        write_folder(&path, fill).unwrap();
        assert!(path.join("a").exists());
        let error = write_folder(&path, fill).unwrap_err().to_string();
        assert!(error.contains("new or empty"), "{error}");
    }
}
