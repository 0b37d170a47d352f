//! Which issuers are trusted without each being described: exact names, or a pattern with one placeholder.
//!
//! A name comes from a token that nobody has verified, so that a pattern must not let it choose whom we ask: the
//! placeholder takes letters, digits, `-` and `_` only, and stands where it decides neither domain nor port.

use std::collections::HashSet;
use std::time::Duration;

use url::Url;

use crate::limits;

/// Stands for what differs from tenant to tenant.
const TENANT: &str = "{tenant}";
/// Stands for a listed name.
const ISSUER: &str = "{issuer}";
const SHORTEST_IDLE: Duration = Duration::from_secs(60);

/// Tenants that are not known at start: issuers under a pattern, or on a list, each of which is looked up when its
/// first token comes. Given to [`Builder::tenants`](crate::Builder::tenants).
///
/// ```no_run
/// # async fn run() -> Result<(), tower_bearer::StartError> {
/// use tower_bearer::{Feed, ResourceServer, Tenants};
///
/// let api = ResourceServer::builder()
///     .tenants(Tenants::matching("https://{tenant}.login.example.com/").max(200))
///     .audience("https://api.example.com/")
///     .revocation(Feed::new("https://{tenant}.login.example.com/revocations"))
///     .start()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "tenants are trusted once they are given to `Builder::tenants`"]
pub struct Tenants {
    rule: Rule,
    max: usize,
    idle_after: Duration,
}

#[derive(Clone, Debug)]
enum Rule {
    Matching(String),
    Listed(Vec<String>),
}

/// Why tenants cannot be trusted as they were described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TenantsError {
    #[error("no issuer is listed")]
    NoNames,
    #[error("a placeholder in a list stands for nothing")]
    PlaceholderInList,
    #[error("it does not have exactly one {TENANT}")]
    NotOnePlaceholder,
    #[error("it is no http or https URL in lower-case ASCII up to its host")]
    NoUrl,
    #[error("with a `%` or `\\` in it, what stands for {TENANT} could become something else")]
    Escape,
    #[error("{TENANT} could choose the domain: it stands in the last two labels of the host")]
    ChoosesDomain,
    #[error("{TENANT} stands in the port or in credentials")]
    ChoosesPort,
    #[error("{TENANT} stands in a query or fragment")]
    InQuery,
    #[error("it is the same for all tenants, and a feed speaks for one issuer")]
    OneForAll,
    #[error("max is 0")]
    NoRoom,
    #[error("idle_after is shorter than a minute")]
    TooShort,
}

impl Tenants {
    /// Issuers that are the same as this but for `{tenant}`, which stands in it once, in the path or in the host before
    /// the last two labels. It stands for 1 to 63 ASCII letters, digits, `-` and `_`, and for nothing else.
    ///
    /// Whoever can have a name under the pattern can be an issuer. Public suffixes are not known here: a pattern such
    /// as `https://{tenant}.co.uk/` lets anybody in who has a domain.
    pub fn matching(pattern: impl Into<String>) -> Self {
        Self::new(Rule::Matching(pattern.into()))
    }

    /// These issuers, by their exact names.
    pub fn listed<Name: Into<String>>(names: impl IntoIterator<Item = Name>) -> Self {
        Self::new(Rule::Listed(names.into_iter().map(Into::into).collect()))
    }

    fn new(rule: Rule) -> Self {
        Self { rule, max: limits::TENANTS, idle_after: limits::TENANT_IDLE }
    }

    /// The most tenants that are known at once; those that are only remembered for their revocations count too. Tokens of
    /// further ones are answered 503. Default 1000, at least 1.
    pub fn max(mut self, tenants: usize) -> Self {
        self.max = tenants;
        self
    }

    /// How long after its last good token a tenant's keys are let go of, and it is not asked any more. Its revocations
    /// stay until the last has ended. Default 1 h, at least 1 min.
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.idle_after = idle;
        self
    }

    pub(crate) fn limits(&self) -> (usize, Duration) {
        (self.max, self.idle_after)
    }

    /// The pattern, or the list, in words.
    pub(crate) fn describe(&self) -> String {
        match &self.rule {
            Rule::Matching(pattern) => pattern.clone(),
            Rule::Listed(names) => match names.split_first() {
                None => String::new(),
                Some((first, [])) => first.clone(),
                Some((first, more)) => format!("{first} and {} more", more.len()),
            },
        }
    }

    /// The names that are known beforehand.
    pub(crate) fn names(&self) -> &[String] {
        match &self.rule {
            Rule::Matching(_) => &[],
            Rule::Listed(names) => names,
        }
    }

    /// Names that stand for all: if settings work with these, they work with any that is permitted.
    pub(crate) fn samples(&self) -> Vec<String> {
        match &self.rule {
            Rule::Matching(pattern) => vec![pattern.replace(TENANT, "tenant")],
            Rule::Listed(names) => names.clone(),
        }
    }

    pub(crate) fn permission(&self) -> Result<Permission, TenantsError> {
        if self.max == 0 {
            return Err(TenantsError::NoRoom);
        }
        if self.idle_after < SHORTEST_IDLE {
            return Err(TenantsError::TooShort);
        }
        match &self.rule {
            Rule::Listed(names) if names.is_empty() => Err(TenantsError::NoNames),
            Rule::Listed(names) if names.iter().any(|name| name.contains(['{', '}'])) => {
                Err(TenantsError::PlaceholderInList)
            }
            Rule::Listed(names) => {
                Ok(Permission::Listed(names.iter().map(|name| name.as_str().into()).collect()))
            }
            Rule::Matching(pattern) => {
                check(pattern, false)?;
                match pattern.split_once(TENANT) {
                    Some((before, after)) if !after.contains(TENANT) => {
                        Ok(Permission::Matching { before: before.into(), after: after.into() })
                    }
                    _ => Err(TenantsError::NotOnePlaceholder),
                }
            }
        }
    }
}

/// Says whom to trust.
#[derive(Debug)]
pub(crate) enum Permission {
    Matching { before: Box<str>, after: Box<str> },
    Listed(HashSet<Box<str>>),
}

impl Permission {
    /// Whether this issuer may be a tenant. Compares bytes and allocates nothing.
    pub(crate) fn permits(&self, name: &str) -> bool {
        match self {
            Self::Matching { .. } => self.tenant(name).is_some(),
            Self::Listed(names) => names.contains(name),
        }
    }

    fn tenant<'a>(&self, name: &'a str) -> Option<&'a str> {
        let Self::Matching { before, after } = self else { return None };
        let tenant = name.strip_prefix(&**before)?.strip_suffix(&**after)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=limits::TENANT_BYTES).contains(&tenant.len()) && tenant.bytes().all(plain);
        fits.then_some(tenant)
    }

    /// A setting with what stands for its placeholder under this issuer, which must be permitted.
    pub(crate) fn fill(&self, template: &str, name: &str) -> String {
        match self.tenant(name) {
            Some(tenant) => template.replace(TENANT, tenant),
            None => template.replace(ISSUER, name.strip_suffix('/').unwrap_or(name)),
        }
    }

    /// Whether a URL beside the issuer may have the placeholders that it has.
    pub(crate) fn check_url(&self, url: &str) -> Result<(), TenantsError> {
        match self {
            Self::Matching { .. } if url.contains(TENANT) => check(url, true),
            Self::Listed(_) if url.contains(TENANT) => Err(TenantsError::PlaceholderInList),
            Self::Matching { .. } | Self::Listed(_) => Ok(()),
        }
    }

    /// Whether this text, filled in, differs from tenant to tenant; names of a list may hold what has no place in a path.
    pub(crate) fn tells_apart(&self, text: &str) -> bool {
        match self {
            Self::Matching { .. } => text.contains(TENANT),
            Self::Listed(names) => names.len() == 1,
        }
    }

    /// Whether this can be the URL of a feed, which speaks for one issuer.
    pub(crate) fn check_feed(&self, url: &str) -> Result<(), TenantsError> {
        self.check_url(url)?;
        let differs = match self {
            Self::Matching { .. } => url.contains(TENANT),
            Self::Listed(names) => names.len() == 1 || url.contains(ISSUER),
        };
        if differs { Ok(()) } else { Err(TenantsError::OneForAll) }
    }
}

/// Whether placeholders stand where they choose neither whom we ask nor how.
fn check(url: &str, in_query: bool) -> Result<(), TenantsError> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let rest =
        rest.filter(|rest| rest.bytes().all(|byte| byte.is_ascii_graphic())).ok_or(TenantsError::NoUrl)?;
    if rest.contains(['%', '\\']) {
        return Err(TenantsError::Escape);
    }
    let end_of = |text: &str, ends: &[char]| text.find(ends).unwrap_or(text.len());
    let (authority, rest) = rest.split_at(end_of(rest, &['/', '?', '#']));
    // Further slashes are no path: the host comes after them.
    if authority.is_empty() {
        return Err(TenantsError::NoUrl);
    }
    let query = rest.get(end_of(rest, &['?', '#'])..).unwrap_or_default();
    if query.contains(TENANT) && (!in_query || query.contains('#')) {
        return Err(TenantsError::InQuery);
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    if authority.contains('@') || port.contains(TENANT) {
        return Err(TenantsError::ChoosesPort);
    }
    let labels: Vec<_> = host.split('.').collect();
    let (own, domain) = labels.split_at(labels.len().saturating_sub(2));
    let chosen = domain.iter().any(|label| label.contains(TENANT));
    let empty = own.iter().chain(domain).any(|label| label.is_empty());
    if chosen || (empty && host.contains(TENANT)) {
        return Err(TenantsError::ChoosesDomain);
    }
    // What has been read here is what a URL parser reads.
    let [one, other] = ["0", "x"].map(|tenant| fixed(&url.replace(TENANT, tenant)));
    match (one, other) {
        (Some(one), Some(other)) if one == other => Ok(()),
        (Some(_), Some(_)) => Err(TenantsError::ChoosesDomain),
        _ => Err(TenantsError::NoUrl),
    }
}

/// What must be the same for all tenants: the domain, the rest of the authority, and how deep the path is.
fn fixed(url: &str) -> Option<([String; 2], Option<u16>, bool, usize)> {
    let url = Url::parse(url).ok()?;
    let mut labels = url.host_str()?.rsplit('.').map(str::to_owned);
    let domain = [labels.next()?, labels.next().unwrap_or_default()];
    let credentials = !url.username().is_empty() || url.password().is_some();
    Some((domain, url.port(), credentials, url.path().matches('/').count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn permission(pattern: &str) -> Result<Permission, TenantsError> {
        Tenants::matching(pattern).permission()
    }

    #[test]
    fn patterns_that_let_a_token_choose_whom_we_ask_are_refused() {
        use TenantsError::{ChoosesDomain, ChoosesPort, Escape, InQuery, NoUrl, NotOnePlaceholder};
        let table = [
            ("https://{tenant}.example.com/", None),
            ("https://{tenant}.example.com", None),
            ("https://login-{tenant}.eu.example.com:8443/oauth2", None),
            ("https://login.example.com/{tenant}/v2.0", None),
            ("http://localhost:8080/{tenant}", None),
            ("http://127.0.0.1:8080/realms/a-{tenant}", None),
            ("http://[::1]:8080/{tenant}", None),
            ("https://{tenant}", Some(ChoosesDomain)),
            ("https://{tenant}/x", Some(ChoosesDomain)),
            ("https://evil-{tenant}/", Some(ChoosesDomain)),
            ("https://{tenant}.com/", Some(ChoosesDomain)),
            ("https://{tenant}.com./", Some(ChoosesDomain)),
            ("https://{tenant}..com/", Some(ChoosesDomain)),
            ("https://login.{tenant}.com/", Some(ChoosesDomain)),
            ("https://login.example.{tenant}/", Some(ChoosesDomain)),
            ("https://login.example.com{tenant}/", Some(ChoosesDomain)),
            ("https://login.example.com{tenant}", Some(ChoosesDomain)),
            ("https://login.example.com{tenant}?", Some(ChoosesDomain)),
            ("https://login.example.com:{tenant}/", Some(ChoosesPort)),
            ("https://login.example.com:80{tenant}", Some(ChoosesPort)),
            ("https://{tenant}@login.example.com/", Some(ChoosesPort)),
            ("https://a.b.c:{tenant}@login.example.com/", Some(ChoosesPort)),
            ("https://a.{tenant}.b.c@login.example.com/", Some(ChoosesPort)),
            ("https://[::{tenant}]/", Some(ChoosesPort)),
            ("{tenant}://login.example.com/", Some(NoUrl)),
            ("{tenant}", Some(NoUrl)),
            ("https:/{tenant}.example.com/", Some(NoUrl)),
            ("https:{tenant}.example.com/", Some(NoUrl)),
            ("https:///{tenant}", Some(NoUrl)),
            ("https:////{tenant}.example.com/", Some(NoUrl)),
            ("https://{tenant}.exämple.com/", Some(NoUrl)),
            ("https://login.example.com/?t={tenant}", Some(InQuery)),
            ("https://login.example.com/#{tenant}", Some(InQuery)),
            ("https://login.example.com/%{tenant}", Some(Escape)),
            ("https://{tenant}.example.com\\.other.example/", Some(Escape)),
            ("https://login.example.com/", Some(NotOnePlaceholder)),
            ("https://{tenant}.example.com/{tenant}", Some(NotOnePlaceholder)),
            ("https://login.example.com/{Tenant}", Some(NotOnePlaceholder)),
        ];
        for (pattern, error) in table {
            assert_eq!(permission(pattern).err(), error, "{pattern}");
        }
        let all = permission("https://login.example.com/{tenant}").unwrap();
        assert_eq!(all.check_url("https://keys.example.com/?t={tenant}&u={tenant}"), Ok(()));
        assert_eq!(all.check_url("https://{tenant}/"), Err(ChoosesDomain));
        assert_eq!(all.check_feed("https://keys.example.com/"), Err(TenantsError::OneForAll));
    }

    #[test]
    fn names_are_permitted_exactly() {
        let host = permission("https://{tenant}.example.com/").unwrap();
        let path = permission("https://login.example.com/{tenant}/v2").unwrap();
        let longest = "x".repeat(limits::TENANT_BYTES);
        let table = [
            (longest.as_str(), true),
            ("acme", true),
            ("A-1_b", true),
            ("", false),
            (&format!("{longest}x"), false),
            ("a.b", false),
            ("a/b", false),
            ("..", false),
            (".", false),
            ("%2e", false),
            ("a:80", false),
            ("a@b", false),
            ("evil.test/#", false),
            ("evil.test\\", false),
            ("a?b", false),
            ("a b", false),
            ("a\n", false),
            ("\u{430}cme", false),
            ("{tenant}", false),
        ];
        for (tenant, permitted) in table {
            let names = [
                (&host, format!("https://{tenant}.example.com/")),
                (&path, format!("https://login.example.com/{tenant}/v2")),
            ];
            for (permission, name) in names {
                assert_eq!(permission.permits(&name), permitted, "{name}");
            }
        }
        for name in [
            "https://a.example.com",
            "https://a.example.com//",
            "http://a.example.com/",
            "HTTPS://a.example.com/",
        ] {
            assert!(!host.permits(name), "{name}");
        }
        let listed = Tenants::listed(["https://a.example/"]).permission().unwrap();
        assert!(listed.permits("https://a.example/") && !listed.permits("https://a.example"));
        assert_eq!(listed.fill("{issuer}/feed", "https://a.example/"), "https://a.example/feed");
    }

    proptest! {
        /// Whatever a token says, what we ask is under the operator's domain, at the operator's port.
        #[test]
        fn no_name_leads_elsewhere(before in "([a-z-]{0,3}[.:/@]?){0,3}", after in "([.:/@?#]?[a-z-]{0,3}){0,4}", tenant in "[a-zA-Z0-9._/:@%-]{1,4}") {
            let pattern = format!("https://{before}{TENANT}{after}");
            if let Ok(permission) = permission(&pattern) {
                let name = pattern.replace(TENANT, &tenant);
                if permission.permits(&name) && Url::parse(&name).is_ok() {
                    prop_assert_eq!(fixed(&name), fixed(&pattern.replace(TENANT, "tenant")), "{}", name);
                }
            }
        }
    }
}
