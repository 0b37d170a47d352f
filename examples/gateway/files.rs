//! Files that the configuration names.

use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// A path in the configuration is as seen from there.
pub(crate) fn beside(config: &Path, path: &str) -> PathBuf {
    config.parent().unwrap_or_else(|| Path::new("")).join(path)
}

/// What is in a file that `setting` names. The newline that an editor puts at the end of a text is not part of it.
pub(crate) fn secret(setting: &str, path: &str, config: &Path) -> Result<Vec<u8>, ConfigError> {
    let mut secret = std::fs::read(beside(config, path)).map_err(|error| {
        let remedy = "name a file that the gateway may read, as seen from the configuration";
        ConfigError(format!("{}: {setting} `{path}`: {error}: {remedy}", config.display()))
    })?;
    if let Ok(text) = std::str::from_utf8(&secret) {
        secret.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    Ok(secret)
}

/// The same, where it has to be text.
pub(crate) fn secret_text(setting: &str, path: &str, config: &Path) -> Result<String, ConfigError> {
    let text = String::from_utf8(secret(setting, path, config)?).unwrap_or_default();
    if text.is_empty() {
        let remedy = "put the secret into it, and nothing else";
        let file = config.display();
        return Err(ConfigError(format!("{file}: {setting} `{path}`: it is empty or no text: {remedy}")));
    }
    Ok(text)
}
