//! What an operator is told when a resource server cannot start.

use std::error::Error;
use std::fmt;

/// A setting that does not work: which one, its value, what is wrong with it and what to do about it.
pub struct StartError {
    setting: &'static str,
    value: String,
    problem: String,
    remedy: &'static str,
    issuer: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StartError {
    pub(super) fn new(
        setting: &'static str,
        value: impl Into<String>,
        problem: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        let value = without_password(value.into());
        Self { setting, value, problem: problem.into(), remedy, issuer: None, source: None }
    }

    pub(super) fn because(
        setting: &'static str,
        value: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
        remedy: &'static str,
    ) -> Self {
        let problem = source.to_string();
        Self { source: Some(Box::new(source)), ..Self::new(setting, value, problem, remedy) }
    }

    /// Of which issuer's settings it is.
    pub(super) fn about(mut self, issuer: &str) -> Self {
        self.issuer = Some(without_password(issuer.to_owned()));
        self
    }

    /// The issuer whose setting it is, where it is an issuer's.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The name of the setting, as the builder's method is called.
    #[must_use]
    pub fn setting(&self) -> &str {
        self.setting
    }

    /// Its value; never a secret's.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> &str {
        self.remedy
    }
}

/// A text that is no URL may hold a password all the same: `https://user:password@host:99999/`.
fn without_password(value: String) -> String {
    let is_url = value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"));
    if is_url && value.contains('@') { "[a URL with credentials]".to_owned() } else { value }
}

/// The words for people: a `main` that returns this error shows it so.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(issuer) = self.issuer.as_deref().filter(|_| self.setting != "issuer") {
            write!(f, "issuer `{issuer}`, ")?;
        }
        write!(f, "{} `{}`: {}. {}", self.setting, self.value, self.problem, self.remedy)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The cause itself is in the words above already.
        self.source.as_deref().and_then(Error::source)
    }
}
