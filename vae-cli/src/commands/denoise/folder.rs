//! A folder of images, which is there when it is whole.

use std::{
    collections::HashSet,
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use image::{ExtendedColorType, ImageFormat, save_buffer_with_format};
use vae_variants::Description;

use super::scores::Span;

/// PNG files on their way into a folder. What is left half done is removed.
pub struct Folder {
    path: PathBuf,
    partial: PathBuf,
    shape: [usize; 3],
    color: ExtendedColorType,
    span: Span,
    names: HashSet<PathBuf>,
}

impl Folder {
    /// A folder that does not exist, or is empty.
    ///
    /// # Errors
    /// If it is not, or the images cannot be PNG files.
    pub fn new(path: &Path, data: &Description, span: Span) -> Result<Self> {
        let shape = data.shape.image().context("only images are files")?;
        let color = match shape[0] {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            4 => ExtendedColorType::Rgba8,
            channels => bail!("images of {channels} channels are no PNG files: --out FILE.npy"),
        };
        let is_used = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => path.exists(),
        };
        if is_used {
            bail!(
                "{} is there already: choose another by --out, or remove it",
                path.display()
            );
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = format!(".partial-{name}-{}", std::process::id());
        let folder = Self {
            path: path.to_owned(),
            partial: path.with_file_name(partial),
            shape,
            color,
            span,
            names: HashSet::new(),
        };
        fs::create_dir(&folder.partial)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(folder)
    }

    /// Writes an image under its name, folders included, with the ending of PNG files.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, name: &str, values: &[f32]) -> Result<()> {
        // Nothing is written outside.
        let parts = Path::new(name).components();
        let inside: PathBuf = parts
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        let mut file = inside.with_extension("png");
        if !self.names.insert(file.clone()) {
            // Another with the same name but for its ending.
            file = PathBuf::from(format!("{}.png", inside.display()));
            self.names.insert(file.clone());
        }
        let path = self.partial.join(&file);
        let failed = || format!("cannot write {}", self.path.join(&file).display());
        let [channels, height, width] = self.shape;
        let plane = height * width;
        let bytes: Vec<u8> = (0..plane)
            .flat_map(|at| (0..channels).map(move |channel| channel * plane + at))
            .map(|at| (self.span.unit(values[at]) * 255.0).round() as u8)
            .collect();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(failed)?;
        }
        let (width, height) = (width as u32, height as u32);
        save_buffer_with_format(&path, &bytes, width, height, self.color, ImageFormat::Png)
            .with_context(failed)
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// If that cannot be done.
    pub fn finish(self) -> Result<()> {
        fs::rename(&self.partial, &self.path)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Gone after `finish`.
        let _ = fs::remove_dir_all(&self.partial);
    }
}
