//! Files for one user's eyes, and folders that outlive a loss of power.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// The folder of a path; the current one where it names none.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder(path))
}

/// A new file for this user's eyes alone.
pub(super) fn create(path: &Path) -> io::Result<File> {
    private().write(true).create(true).truncate(true).open(path)
}

/// Puts a file in the place of another, whole or not at all, by way of `new`.
pub(super) fn write_whole(new: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = create(new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(new, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(new);
    }
    written
}

pub(super) fn create_or_keep(path: &Path) -> io::Result<File> {
    private().write(true).create(true).truncate(false).open(path)
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// So that a rename outlives a loss of power. Not every system can open a folder.
pub(super) fn settle_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}
