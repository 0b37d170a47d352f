//! `[issuer.revocation]`, once or several times: what may stand in it, and the source that is made of it.

use std::fmt;
use std::path::Path;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tower_bearer::{ClientCredentials, Feed, List, SourceSettings};

use crate::config::ConfigError;
use crate::files::{beside, secret_text};
use crate::issuers::{apply, period};
use crate::values::{Period, Source, StaleChoice};

/// Where the revocations of one issuer come from: one table, or an array of tables. Not an untagged enum: that would not
/// say what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Revocation>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    source: Source,
    url: Option<String>,
    /// Of a list, in place of `url`.
    file: Option<String>,
    /// Whose values a list holds.
    claim: Option<String>,
    poll_interval: Option<Period>,
    max_staleness: Option<Period>,
    expires_after: Option<Period>,
    when_stale: Option<StaleChoice>,
    long_poll: Option<Period>,
    #[serde(default)]
    signed: bool,
    #[serde(default)]
    dry_run: bool,
    identifiers: Option<Vec<String>>,
    claims: Option<Vec<String>>,
    #[serde(default)]
    ignore_unknown_entries: bool,
    bearer_file: Option<String>,
    basic: Option<Basic>,
    client_credentials: Option<Client>,
    snapshot: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Basic {
    user: String,
    password_file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    client_id: String,
    secret_file: String,
    token_endpoint: Option<String>,
    audience: Option<String>,
    #[serde(default)]
    resource: Vec<String>,
    scope: Option<String>,
}

/// As whom a source is asked.
enum Credentials {
    None,
    Bearer(String),
    Basic { user: String, password: String },
    Client(ClientCredentials),
}

impl<'de> Deserialize<'de> for Sources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourcesVisitor)
    }
}

struct SourcesVisitor;

impl<'de> Visitor<'de> for SourcesVisitor {
    type Value = Sources;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, or several: [issuer.revocation] or [[issuer.revocation]]")
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Sources, A::Error> {
        Revocation::deserialize(MapAccessDeserializer::new(table)).map(|only| Sources(vec![only]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, tables: A) -> Result<Sources, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(tables)).map(Sources)
    }
}

impl Sources {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.0.is_empty() {
            let remedy = "say where revocations come from, or that there are none with `source = \"none\"`";
            return Err(format!("[issuer.revocation] is missing: {remedy}"));
        }
        let several = self.0.len() > 1;
        if several && self.0.iter().any(|source| source.source == Source::None) {
            return Err("`source = \"none\"` beside another [[issuer.revocation]]: leave it out".to_owned());
        }
        for (place, source) in self.0.iter().enumerate() {
            let which =
                if several { format!("[[issuer.revocation]] {}: ", place + 1) } else { String::new() };
            source.check().map_err(|problem| format!("{which}{problem}"))?;
        }
        Ok(())
    }

    /// What is asked over the network, by the name of its setting.
    pub(crate) fn urls(&self) -> impl Iterator<Item = (&'static str, &String)> {
        self.0.iter().flat_map(|source| {
            let client = source.client_credentials.as_ref();
            let tokens = client.and_then(|client| client.token_endpoint.as_ref());
            let url = source.url.iter().map(|url| ("revocation.url", url));
            url.chain(tokens.map(|url| ("revocation.client_credentials.token_endpoint", url)))
        })
    }

    /// None where the operator does without.
    pub(crate) fn settings(&self, config: &Path) -> Result<Vec<SourceSettings>, ConfigError> {
        let sources = self.0.iter().filter(|source| source.source != Source::None);
        sources.map(|source| source.settings(config)).collect()
    }
}

/// The settings of a feed and of a list that have the same names there.
macro_rules! with_common {
    ($kind:ident, $source:expr, $settings:expr, $credentials:expr, $config:expr) => {{
        let (source, settings) = ($source, $settings);
        let source = apply(source, period(settings.poll_interval), $kind::poll_interval);
        let source = apply(source, period(settings.max_staleness), $kind::max_staleness);
        let source = apply(source, period(settings.expires_after), $kind::expires_after);
        let source = apply(source, settings.when_stale.map(Into::into), $kind::when_stale);
        let source = if settings.dry_run { source.dry_run() } else { source };
        let snapshot = settings.snapshot.as_ref().map(|path| beside($config, path));
        let source = apply(source, snapshot, $kind::snapshot);
        match $credentials {
            Credentials::None => source,
            Credentials::Bearer(token) => source.bearer(token),
            Credentials::Basic { user, password } => source.basic(user, password),
            Credentials::Client(client) => source.client_credentials(client),
        }
    }};
}

impl Revocation {
    fn check(&self) -> Result<(), String> {
        let complaint =
            |key: &str, place: &str| Err(format!("`{key}` has a meaning where {place} only: leave it out"));
        let of_feed = first(&[
            ("long_poll", self.long_poll.is_some()),
            ("signed", self.signed),
            ("identifiers", self.identifiers.is_some()),
            ("claims", self.claims.is_some()),
            ("ignore_unknown_entries", self.ignore_unknown_entries),
        ]);
        let of_list = first(&[("file", self.file.is_some()), ("claim", self.claim.is_some())]);
        let credentials = [
            ("bearer_file", self.bearer_file.is_some()),
            ("basic", self.basic.is_some()),
            ("client_credentials", self.client_credentials.is_some()),
        ];
        let of_both = [
            ("url", self.url.is_some()),
            ("poll_interval", self.poll_interval.is_some()),
            ("max_staleness", self.max_staleness.is_some()),
            ("expires_after", self.expires_after.is_some()),
            ("when_stale", self.when_stale.is_some()),
            ("dry_run", self.dry_run),
            ("snapshot", self.snapshot.is_some()),
        ];
        match self.source {
            Source::None => {
                match [of_feed, of_list, first(&credentials), first(&of_both)].into_iter().flatten().next() {
                    Some(key) => Err(format!(
                        "`{key}` and other settings of `revocation` have no meaning where `source = \"none\"`: leave them out"
                    )),
                    None => Ok(()),
                }
            }
            Source::Feed => match of_list {
                Some(key) => complaint(key, "`source = \"list\"`"),
                None if self.url.is_none() => {
                    Err("`revocation.url` is missing: say where the feed is".to_owned())
                }
                None => self.check_credentials(&credentials),
            },
            Source::List => match (of_feed, first(&credentials)) {
                (Some(key), _) => complaint(key, "`source = \"feed\"`"),
                _ if self.url.is_some() == self.file.is_some() => {
                    Err("`revocation` needs either `url` or `file`, and not both: say where the list is"
                        .to_owned())
                }
                (None, Some(key)) if self.file.is_some() => complaint(key, "there is a `url`"),
                _ => self.check_credentials(&credentials),
            },
        }
    }

    fn check_credentials(&self, credentials: &[(&str, bool)]) -> Result<(), String> {
        let mut said = credentials.iter().filter(|(_, said)| *said);
        if let (Some((one, _)), Some((other, _))) = (said.next(), said.next()) {
            return Err(format!("`{one}` and `{other}` are two kinds of credentials: leave one out"));
        }
        // RFC 7617 §2.
        if let Some(basic) = self.basic.as_ref().filter(|basic| basic.user.contains(':')) {
            return Err(format!("`basic.user` is `{}`: a user's name has no colon", basic.user));
        }
        Ok(())
    }

    fn settings(&self, config: &Path) -> Result<SourceSettings, ConfigError> {
        let credentials = self.credentials(config)?;
        let url = self.url.as_deref().unwrap_or_default();
        if self.source == Source::List {
            let list = match &self.file {
                Some(file) => List::file(beside(config, file)),
                None => List::new(url),
            };
            let list = apply(list, self.claim.as_ref(), List::claim);
            return Ok(with_common!(List, list, self, credentials, config).into());
        }
        let feed = apply(Feed::new(url), period(self.long_poll), Feed::long_poll);
        let feed = if self.signed { feed.signed() } else { feed };
        let feed = if self.ignore_unknown_entries { feed.ignore_unknown_entries() } else { feed };
        let feed = self.identifiers.iter().flatten().fold(feed, Feed::identifier);
        let feed = self.claims.iter().flatten().fold(feed, Feed::claim);
        Ok(with_common!(Feed, feed, self, credentials, config).into())
    }

    fn credentials(&self, config: &Path) -> Result<Credentials, ConfigError> {
        if let Some(path) = &self.bearer_file {
            return Ok(Credentials::Bearer(secret_text("bearer_file", path, config)?));
        }
        if let Some(Basic { user, password_file }) = &self.basic {
            let password = secret_text("password_file", password_file, config)?;
            return Ok(Credentials::Basic { user: user.clone(), password });
        }
        let Some(client) = &self.client_credentials else { return Ok(Credentials::None) };
        let secret = secret_text("secret_file", &client.secret_file, config)?;
        let made = ClientCredentials::new(&client.client_id, secret);
        let made = apply(made, client.token_endpoint.as_ref(), ClientCredentials::token_endpoint);
        let made = apply(made, client.audience.as_ref(), ClientCredentials::audience);
        let made = apply(made, client.scope.as_ref(), ClientCredentials::scope);
        Ok(Credentials::Client(client.resource.iter().fold(made, ClientCredentials::resource)))
    }
}

/// The first setting that was said.
fn first<'a>(settings: &[(&'a str, bool)]) -> Option<&'a str> {
    settings.iter().find(|(_, said)| *said).map(|(key, _)| *key)
}
