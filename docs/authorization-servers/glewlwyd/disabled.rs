//! Reads the access tokens that a glewlwyd server has disabled from its SQLite database. For `tower_bearer::Polled`.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;
use tower_bearer::{Pulled, Revocation, RevocationSource, SourceError};

pub(crate) struct Disabled {
    /// Of the server; it is only read.
    pub(crate) database: PathBuf,
    /// The plugin's name, such as `oidc`.
    pub(crate) plugin: &'static str,
    /// The longest life of an access token, in seconds: what was issued before that has expired.
    pub(crate) lifetime: u32,
}

impl RevocationSource for Disabled {
    async fn pull(&mut self, _: Option<&str>) -> Result<Pulled, SourceError> {
        let question = format!(
            "SELECT gpoa_jti FROM gpo_access_token WHERE gpoa_plugin_name = '{}' AND gpoa_enabled = 0 \
             AND gpoa_issued_at > CAST(strftime('%s', 'now') AS INTEGER) - {} - 300;",
            self.plugin, self.lifetime
        );
        let output = Command::new("sqlite3")
            .args(["-batch", "-readonly", "-bail", "-cmd", ".timeout 2000"])
            .arg(&self.database)
            .arg(question)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|_| SourceError::new("sqlite3 did not run"))?;
        if !output.status.success() {
            return Err(SourceError::new(String::from_utf8_lossy(&output.stderr)));
        }
        let lines = String::from_utf8(output.stdout).map_err(|_| SourceError::new("an id is not UTF-8"))?;
        Ok(Pulled::whole(lines.lines().map(|jti| Revocation::identifier("jti", jti))))
    }
}
