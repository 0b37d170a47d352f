//! What health shows of a snapshot.

use std::sync::{Mutex, PoisonError};

/// Where it is, and why it is not kept, if it is not.
#[derive(Debug)]
pub(crate) struct OnDisk {
    pub(crate) path: String,
    trouble: Mutex<Option<String>>,
}

impl OnDisk {
    pub(crate) fn new(path: String) -> Self {
        Self { path, trouble: Mutex::default() }
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this is news.
    pub(crate) fn note(&self, trouble: Option<String>) -> bool {
        let mut noted = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *noted != trouble;
        *noted = trouble;
        is_news
    }
}
