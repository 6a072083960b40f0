//! Folders of images, and single images.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader};
use rayon::prelude::*;

use crate::bytes::Bytes;
use crate::memory::{Labels, Pixels};
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
        for file in ImageFiles::list(folder)?.files {
            print.text(&name_in(folder, &file.path));
            print.file(&file.path)?;
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
        let headers: Vec<_> = files.par_iter().map(|file| header(&file.path)).collect();
        let headers = keep_good(&mut files, headers, config.skip_bad)?;
        let Some(first) = headers.first() else {
            return Err(none_left(folder));
        };
        let size = match config.image_size {
            Some(size) => size,
            None => match headers.iter().position(|h| h.size != first.size) {
                None => first.size,
                Some(other) => {
                    let sides = |size: ImageSize| [size.height, size.width];
                    return Err(DataError::ImageSizes {
                        first: files[0].path.clone(),
                        first_size: sides(first.size),
                        second: files[other].path.clone(),
                        second_size: sides(headers[other].size),
                    });
                }
            },
        };
        let rgb = match config.color {
            Color::Auto => headers.iter().any(|h| h.color),
            Color::Grey => false,
            Color::Rgb => true,
        };
        let shape = DataShape::new([if rgb { 3 } else { 1 }, size.height, size.width])?;

        let mut pixels = vec![0; files.len() * shape.features()];
        progress.start("decode images", Some(files.len() as u64));
        let decoded: Vec<_> = pixels
            .par_chunks_mut(shape.features())
            .zip(&files)
            .map(|(out, file)| {
                let result = decode(&file.path, size, rgb, out);
                progress.advance(1);
                result.map(|()| true)
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

/// What the header of an image says.
struct Header {
    size: ImageSize,
    color: bool,
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

fn bad_image(path: &Path, reason: impl ToString) -> DataError {
    DataError::Image {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn image_reader(path: &Path) -> Result<ImageReader<std::io::BufReader<fs::File>>, DataError> {
    let reader = ImageReader::open(path).map_err(DataError::io("open", path))?;
    // By content: a name may lie.
    reader.with_guessed_format().map_err(|e| bad_image(path, e))
}

fn header(path: &Path) -> Result<Header, DataError> {
    let decoder = image_reader(path)?.into_decoder();
    let decoder = decoder.map_err(|e| bad_image(path, e))?;
    let (width, height) = decoder.dimensions();
    let size = ImageSize::new(height as usize, width as usize).map_err(|e| bad_image(path, e))?;
    let color = decoder.color_type().has_color();
    Ok(Header { size, color })
}

/// Decodes one image into `out`, channel after channel.
fn decode(path: &Path, size: ImageSize, rgb: bool, out: &mut [u8]) -> Result<(), DataError> {
    let image = image_reader(path)?
        .decode()
        .map_err(|e| bad_image(path, e))?;
    let (width, height) = (size.width as u32, size.height as u32);
    let image = if (image.width(), image.height()) == (width, height) {
        image
    } else {
        image.resize_exact(width, height, FilterType::Triangle)
    };
    write_planes(&image, rgb, out);
    Ok(())
}

fn write_planes(image: &DynamicImage, rgb: bool, out: &mut [u8]) {
    if !rgb {
        let grey = image.to_luma8();
        out.iter_mut().zip(grey.as_raw()).for_each(|(o, v)| *o = *v);
        return;
    }
    let pixels = image.to_rgb8();
    let plane = out.len() / 3;
    for (i, pixel) in pixels.pixels().enumerate().take(plane) {
        for (channel, value) in pixel.0.into_iter().enumerate() {
            out[channel * plane + i] = value;
        }
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
