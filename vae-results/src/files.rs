//! Files that are either whole or absent.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// How the names of files begin that are not whole yet.
pub(crate) const PARTIAL: &str = ".partial-";

/// Writes a file under a temporary name in the same folder, flushes it to the disk and renames it,
/// so that `path` is always either the old file or the whole new one.
///
/// # Errors
/// What the system says.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(PARTIAL);
    #[cfg(unix)]
    {
        // Like any file the user makes, not private as temporary files are.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes what a process that was killed left half written in `folder`.
pub(crate) fn remove_partial(folder: &Path) -> crate::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            fs::remove_file(entry.path()).map_err(crate::Error::write(&entry.path()))?;
        }
    }
    Ok(())
}
