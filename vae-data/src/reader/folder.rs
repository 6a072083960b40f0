//! Folders of images, and single images.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::image_file::{Decoder, Header, header};
use crate::bytes::Bytes;
use crate::fingerprint::of_file;
use crate::memory::{Labels, Pixels};
use crate::ram;
use crate::{
    Color, DataConfig, DataError, DataShape, Fingerprint, ImageSize, Progress, Reader,
    ReaderOption, Source, UNLABELLED,
};

pub(crate) struct Folder;

impl Reader for Folder {
    fn name(&self) -> &str {
        "images (a file or a folder)"
    }

    fn summary(&self) -> &str {
        "PNG, JPEG, WebP, TIFF or BMP; folders within it are classes; --image-size resizes"
    }

    fn recognises(&self, path: &Path) -> bool {
        path.is_dir() || is_image(path)
    }

    fn options(&self) -> &[ReaderOption] {
        &[
            ReaderOption::ImageSize,
            ReaderOption::Color,
            ReaderOption::SkipBad,
        ]
    }

    fn identify(&self, folder: &Path, print: &mut Fingerprint) -> Result<(), DataError> {
        let files = ImageFiles::list(folder)?.files;
        let of_files: Vec<_> = files.par_iter().map(|file| of_file(&file.path)).collect();
        for (file, of_file) in files.iter().zip(of_files) {
            print.text(&name_in(folder, &file.path));
            print.text(&of_file?);
        }
        Ok(())
    }

    /// Decodes every image into memory, as eight-bit pixels.
    fn open(
        &self,
        folder: &Path,
        config: &DataConfig,
        progress: &dyn Progress,
    ) -> Result<Source, DataError> {
        let ImageFiles { mut files, classes } = ImageFiles::list(folder)?;
        // Every header costs an open file: none is read before the pixels where the settings say it all.
        let headers = match config.image_size {
            Some(_) => Vec::new(),
            None => {
                let headers = files.par_iter().map(|file| header(&file.path)).collect();
                keep_good(&mut files, headers, config.skip_bad)?
            }
        };
        let size = match config.image_size {
            Some(size) => size,
            None => one_size(folder, &files, &headers)?,
        };
        let rgb = match (config.color, config.image_size) {
            (Color::Grey, _) => false,
            (Color::Rgb, _) => true,
            (Color::Auto, None) => headers.iter().any(|h| h.color),
            (Color::Auto, Some(_)) => {
                let has_color = |file: &ImageFile| header(&file.path).is_ok_and(|h| h.color);
                files.par_iter().any(has_color)
            }
        };
        let shape = DataShape::new([if rgb { 3 } else { 1 }, size.height, size.width])?;

        check_memory(folder, files.len(), &shape, ram::free())?;
        let mut pixels = vec![0; files.len() * shape.features()];
        progress.start("decode images", Some(files.len() as u64));
        let first_bad = AtomicUsize::new(usize::MAX);
        let decoded: Vec<_> = pixels
            .par_chunks_mut(shape.features())
            .zip(&files)
            .enumerate()
            .map_init(Decoder::default, |decoder, (i, (out, file))| {
                // After a failure that ends it all only those before it matter, of which one may be the first.
                if i > first_bad.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let result = decoder.decode(&file.path, size, rgb, out);
                if result.is_err() && !config.skip_bad {
                    first_bad.fetch_min(i, Ordering::Relaxed);
                }
                progress.advance(1);
                result
            })
            .collect();
        progress.finish();
        let good: Vec<bool> = decoded.iter().map(Result::is_ok).collect();
        keep_good(&mut files, decoded, config.skip_bad)?;
        if files.is_empty() {
            return Err(none_left(folder));
        }
        remove_bad(&mut pixels, &good, shape.features());
        let of = files.iter().map(|file| file.class).collect();
        let labels = Labels { classes, of };
        let names = files.iter().map(|file| name_in(folder, &file.path));
        let pixels =
            Pixels::new(shape, Bytes::Owned(pixels), 0, labels).with_names(names.collect());
        Ok(Source::of_path(folder, Arc::new(pixels)))
    }
}

/// The path of a file from its folder on, with slashes; of a single image the name of the file.
fn name_in(folder: &Path, file: &Path) -> String {
    let name = file.strip_prefix(folder).unwrap_or(file);
    let name = match name.as_os_str().is_empty() {
        true => Path::new(file.file_name().unwrap_or_default()),
        false => name,
    };
    name.to_string_lossy().replace('\\', "/")
}

/// How the names of images end.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"];

/// One image file and the index of its class.
struct ImageFile {
    path: PathBuf,
    class: i32,
}

/// The image files of a folder, and the names of the classes, all in order of name.
struct ImageFiles {
    files: Vec<ImageFile>,
    classes: Vec<String>,
}

impl ImageFiles {
    /// Lists the files that are called as images ([`ENDINGS`]): those in subfolders, each a class, or else those in
    /// the folder itself, without classes. Deeper folders, hidden files and files of
    /// other kinds are left out.
    fn list(folder: &Path) -> Result<Self, DataError> {
        let (mut files, mut classes) = (Vec::new(), Vec::new());
        if is_image(folder) {
            let (path, class) = (folder.to_owned(), UNLABELLED);
            files.push(ImageFile { path, class });
            return Ok(Self { files, classes });
        }
        let entries = entries(folder)?;
        for path in entries.iter().filter(|path| path.is_dir()) {
            let class = classes.len() as i32;
            let images = self::entries(path)?.into_iter().filter(|p| is_image(p));
            let before = files.len();
            files.extend(images.map(|path| ImageFile { path, class }));
            if files.len() > before {
                let name = path.file_name().unwrap_or_default();
                classes.push(name.to_string_lossy().into_owned());
            }
        }
        let mut loose = entries.into_iter().filter(|path| is_image(path)).peekable();
        if files.is_empty() {
            let class = UNLABELLED;
            files.extend(loose.map(|path| ImageFile { path, class }));
        } else if let Some(path) = loose.peek() {
            return Err(DataError::format(
                folder,
                "images either in subfolders, one for each class, or without subfolders",
                format!("both; {} is beside the subfolders", path.display()),
            ));
        }
        if files.is_empty() {
            return Err(DataError::Empty {
                path: folder.to_owned(),
                what: "PNG, JPEG, WebP, TIFF or BMP image, nor a subfolder with one",
            });
        }
        Ok(Self { files, classes })
    }
}

/// What is in a folder, but for hidden files, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io("list", folder))? {
        let entry = entry.map_err(DataError::io("list", folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_image(path: &Path) -> bool {
    is_called_as_image(path) && path.is_file()
}

/// Whether a file has the name of an image.
fn is_called_as_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    ENDINGS.iter().any(|e| e.eq_ignore_ascii_case(ending))
}

/// The size of all images.
fn one_size(
    folder: &Path,
    files: &[ImageFile],
    headers: &[Header],
) -> Result<ImageSize, DataError> {
    let Some(first) = headers.first() else {
        return Err(none_left(folder));
    };
    let sides = |size: ImageSize| [size.height, size.width];
    match headers.iter().position(|h| h.size != first.size) {
        None => Ok(first.size),
        Some(other) => Err(DataError::ImageSizes {
            first: files[0].path.clone(),
            first_size: sides(first.size),
            second: files[other].path.clone(),
            second_size: sides(headers[other].size),
        }),
    }
}

/// Refuses pixels that do not fit into memory.
fn check_memory(
    folder: &Path,
    images: usize,
    shape: &DataShape,
    free: Option<u64>,
) -> Result<(), DataError> {
    let needed = images as u64 * shape.features() as u64;
    match free {
        Some(free) if needed > free => Err(DataError::PixelMemory {
            path: folder.to_owned(),
            images,
            shape: shape.to_string(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}

fn none_left(folder: &Path) -> DataError {
    DataError::Empty {
        path: folder.to_owned(),
        what: "image that can be decoded",
    }
}

/// Leaves only the files with a result; without `skip_bad`, the first failure is an
/// error.
fn keep_good<T>(
    files: &mut Vec<ImageFile>,
    results: Vec<Result<T, DataError>>,
    skip_bad: bool,
) -> Result<Vec<T>, DataError> {
    let (mut kept, mut good) = (Vec::new(), Vec::new());
    for (file, result) in std::mem::take(files).into_iter().zip(results) {
        match result {
            Ok(value) => {
                kept.push(file);
                good.push(value);
            }
            Err(error) if !skip_bad => return Err(error),
            Err(error) => tracing::warn!(%error, "image skipped"),
        }
    }
    *files = kept;
    Ok(good)
}

/// Closes the gaps that images without pixels leave.
fn remove_bad(pixels: &mut Vec<u8>, good: &[bool], features: usize) {
    let mut end = 0;
    for (i, _) in good.iter().enumerate().filter(|(_, good)| **good) {
        pixels.copy_within(i * features..(i + 1) * features, end);
        end += features;
    }
    pixels.truncate(end);
    let skipped = good.iter().filter(|good| !**good).count();
    if skipped > 0 {
        tracing::warn!(skipped, "images that cannot be decoded were skipped");
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
