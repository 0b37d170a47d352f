//! Why a snapshot is not used, or not kept.

use std::io;

use crate::revocation::export::ImportError;

/// Why a snapshot is not used, or not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("snapshot {path}: {error}")]
    Io { path: Box<str>, error: io::Error },
    #[error(
        "snapshot {0} is no snapshot of revocations: it is left alone, and none is kept; remove it or name another path"
    )]
    NotASnapshot(Box<str>),
    #[error("snapshot {path} is of issuer `{issuer}`: it is left alone, and none is kept; name another path")]
    OtherIssuer { path: Box<str>, issuer: Box<str> },
    #[error("snapshot {path} is of another source, `{source_name}`: everything is asked for anew")]
    OtherSource { path: Box<str>, source_name: Box<str> },
    #[error("snapshot {path} is of format {version}, which is not known here: everything is asked for anew")]
    Version { path: Box<str>, version: u8 },
    #[error("snapshot {0} is damaged or cut short: everything is asked for anew")]
    Damaged(Box<str>),
    #[error("snapshot {path} cannot be taken up: {error}; everything is asked for anew")]
    Unusable { path: Box<str>, error: ImportError },
    #[error("snapshot {0} is being kept by another process: this one does not write it")]
    Locked(Box<str>),
}
