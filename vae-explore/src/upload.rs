//! A picture or rows that someone drops on the page.

use std::fs;

use axum::http::StatusCode;
use vae_data::{Color, DataConfig, Dataset, ImageSize, NoProgress, Part, open_like};
use vae_variants::Trained;

use crate::refusal::{Answer, Refusal};

/// Rows of a table that are taken.
pub const ROWS: usize = 100;

/// What was dropped as a data set, by readers of files: nothing of the name that the client gives becomes a path.
///
/// # Errors
/// If it is no picture, or no table that fits the model.
pub fn read(
    model: &Trained,
    config: &DataConfig,
    bytes: &[u8],
) -> Answer<std::sync::Arc<dyn Dataset>> {
    let failed = |error: std::io::Error| {
        Refusal::of(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the file cannot be kept for a moment: {error}"),
        )
    };
    if bytes.is_empty() {
        return Err(Refusal::bad("the file is empty"));
    }
    let folder = tempfile::tempdir().map_err(failed)?;
    let shape = &model.data().shape;
    let mut config = config.clone();
    let (path, name) = match shape.image() {
        Some([channels, height, width]) => {
            let ending = ending(bytes).ok_or_else(|| {
                let why = "this is no picture: PNG, JPEG, WebP, TIFF and BMP are read";
                Refusal::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, why)
            })?;
            config.image_size = Some(ImageSize::new(height, width)?);
            config.color = match channels {
                1 => Color::Grey,
                _ => Color::Rgb,
            };
            config.label = None;
            let inside = folder.path().join("images");
            fs::create_dir(&inside).map_err(failed)?;
            (inside.clone(), inside.join(format!("dropped.{ending}")))
        }
        None => {
            if std::str::from_utf8(bytes).is_err() {
                let why = "this is no table: rows of CSV in UTF-8, with the names of the columns first, are read";
                return Err(Refusal::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
            }
            let path = folder.path().join("dropped.csv");
            (path.clone(), path)
        }
    };
    fs::write(&name, bytes).map_err(failed)?;
    let place = folder.path().to_string_lossy().into_owned();
    let clean = |refusal: Refusal| Refusal {
        // The folder is nothing to the client.
        message: refusal
            .message
            .replace(&format!("{place}/images/"), "")
            .replace(&format!("{place}/"), ""),
        ..refusal
    };
    let source = open_like(&config, &path.to_string_lossy(), &NoProgress);
    let source = source.map_err(|error| clean(error.into()))?;
    let (dataset, _) = source.part(Part::All, &config, 0)?;
    // It is read before its folder goes.
    let count = dataset.len().min(ROWS);
    let width = dataset.shape().features();
    let mut values = vec![0.0; count * width];
    for (index, row) in values.chunks_mut(width.max(1)).enumerate() {
        dataset
            .read(index, row)
            .map_err(|error| clean(error.into()))?;
    }
    let mut copy = vae_data::MemoryDataset::new(dataset.shape().clone(), values)?;
    if !dataset.columns().is_empty() {
        copy = copy.with_columns(dataset.columns().to_vec())?;
    }
    if !dataset.kinds().is_empty() {
        copy = copy.with_kinds(dataset.kinds().to_vec())?;
    }
    if !dataset.classes().is_empty() {
        let labels = (0..count).map(|index| dataset.label(index)).collect();
        copy = copy.with_labels(dataset.classes().to_vec(), labels)?;
    }
    Ok(std::sync::Arc::new(copy))
}

/// The ending of a picture that begins so.
fn ending(bytes: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| bytes.starts_with(with);
    match () {
        () if begins(b"\x89PNG\r\n\x1a\n") => Some("png"),
        () if begins(b"\xff\xd8\xff") => Some("jpg"),
        () if begins(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => Some("webp"),
        () if begins(b"II*\0") || begins(b"MM\0*") => Some("tiff"),
        () if begins(b"BM") => Some("bmp"),
        () => None,
    }
}
