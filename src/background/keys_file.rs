//! Keys in a file on this machine, for set-ups without an issuer to ask.
//!
//! The file is read again at every look and its contents are compared: that sees a rename, a swapped symlink (Kubernetes)
//! and a rewrite alike, on every file system, where notices of changes do not.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, Digest, SHA256};

use crate::algorithm::Algorithms;
use crate::keys::{KeySet, KeySetError};
use crate::limits;

/// A file of keys, and what was in it when they were taken from it.
#[derive(Clone, Debug)]
pub(crate) struct KeysFile {
    path: PathBuf,
    known: Option<Digest>,
}

/// Why there are no keys in a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysFileError {
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Set { path: PathBuf, error: KeySetError },
}

impl KeysFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, known: None }
    }

    /// The same file, of which nothing is known.
    pub(super) fn afresh(&self) -> Self {
        Self::new(self.path.clone())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The keys, unless they are still the ones that are known.
    pub(super) async fn look(&mut self, allowed: Algorithms) -> Result<Option<KeySet>, KeysFileError> {
        let path = self.path.clone();
        let read =
            tokio::task::spawn_blocking(move || read(&path)).await.unwrap_or_else(|error| Err(error.into()));
        let content = read.map_err(|error| KeysFileError::Read { path: self.path.clone(), error })?;
        let digest = digest::digest(&SHA256, &content);
        if self.known.is_some_and(|known| known.as_ref() == digest.as_ref()) {
            return Ok(None);
        }
        let set = KeySet::given(&content, allowed)
            .map_err(|error| KeysFileError::Set { path: self.path.clone(), error })?;
        self.known = Some(digest);
        Ok(Some(set))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // To open a pipe may take for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(limits::KEY_SET_BYTES as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limits::KEY_SET_BYTES {
        return Err(io::Error::other(format!("it is larger than {} bytes", limits::KEY_SET_BYTES)));
    }
    Ok(content)
}
