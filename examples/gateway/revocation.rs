//! `[issuer.revocation]`, once or several times: what may stand in it.

use std::fmt;
use std::path::Path;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tower_bearer::SourceSettings;

use crate::config::ConfigError;
use crate::sources;
use crate::values::{ClientAuthentication, Period, Source, StaleChoice};

/// Where the revocations of one issuer come from: one table, or an array of tables. Not an untagged enum: that would not
/// say what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Revocation>);

/// Which of these have a meaning is decided by `source`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    pub(crate) source: Source,
    pub(crate) url: Option<String>,
    /// Of a list, in place of `url`.
    pub(crate) file: Option<String>,
    /// Whose values a list holds.
    pub(crate) claim: Option<String>,
    pub(crate) poll_interval: Option<Period>,
    pub(crate) max_staleness: Option<Period>,
    pub(crate) expires_after: Option<Period>,
    pub(crate) when_stale: Option<StaleChoice>,
    pub(crate) long_poll: Option<Period>,
    #[serde(default)]
    pub(crate) signed: bool,
    #[serde(default)]
    pub(crate) dry_run: bool,
    pub(crate) identifiers: Option<Vec<String>>,
    pub(crate) claims: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) ignore_unknown_entries: bool,
    pub(crate) bearer_file: Option<String>,
    pub(crate) basic: Option<Basic>,
    pub(crate) client_credentials: Option<Client>,
    pub(crate) snapshot: Option<String>,
    /// Of an Auth0 tenant, as all that follow.
    pub(crate) domain: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret_file: Option<String>,
    pub(crate) client_authentication: Option<ClientAuthentication>,
    /// None: the issuer's.
    pub(crate) audience: Option<Vec<String>>,
    pub(crate) blacklist: Option<bool>,
    pub(crate) client_grants: Option<bool>,
    pub(crate) user_grants: Option<bool>,
    pub(crate) logs: Option<bool>,
    pub(crate) events: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basic {
    pub(crate) user: String,
    pub(crate) password_file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    pub(crate) client_id: String,
    pub(crate) secret_file: String,
    pub(crate) authentication: Option<ClientAuthentication>,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) audience: Option<String>,
    #[serde(default)]
    pub(crate) resource: Vec<String>,
    pub(crate) scope: Option<String>,
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
            let url = url.chain(source.domain.iter().map(|url| ("revocation.domain", url)));
            url.chain(tokens.map(|url| ("revocation.client_credentials.token_endpoint", url)))
        })
    }

    /// None where the operator does without. `audiences` are the issuer's.
    pub(crate) fn settings(
        &self,
        audiences: &[String],
        config: &Path,
    ) -> Result<Vec<SourceSettings>, ConfigError> {
        let sources = self.0.iter().filter(|source| source.source != Source::None);
        sources.map(|source| sources::source(source, audiences, config)).collect()
    }
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
        let of_auth0 = first(&[
            ("domain", self.domain.is_some()),
            ("client_id", self.client_id.is_some()),
            ("client_secret_file", self.client_secret_file.is_some()),
            ("client_authentication", self.client_authentication.is_some()),
            ("audience", self.audience.is_some()),
            ("blacklist", self.blacklist.is_some()),
            ("client_grants", self.client_grants.is_some()),
            ("user_grants", self.user_grants.is_some()),
            ("logs", self.logs.is_some()),
            ("events", self.events.is_some()),
        ]);
        let credentials = [
            ("bearer_file", self.bearer_file.is_some()),
            ("basic", self.basic.is_some()),
            ("client_credentials", self.client_credentials.is_some()),
        ];
        let url = self.url.as_ref().map(|_| "url");
        let of_all = [
            ("poll_interval", self.poll_interval.is_some()),
            ("max_staleness", self.max_staleness.is_some()),
            ("expires_after", self.expires_after.is_some()),
            ("when_stale", self.when_stale.is_some()),
            ("dry_run", self.dry_run),
            ("snapshot", self.snapshot.is_some()),
        ];
        match self.source {
            Source::None => {
                let said = [of_feed, of_list, of_auth0, first(&credentials), url, first(&of_all)];
                match said.into_iter().flatten().next() {
                    Some(key) => Err(format!(
                        "`{key}` and other settings of `revocation` have no meaning where `source = \"none\"`: leave them out"
                    )),
                    None => Ok(()),
                }
            }
            Source::Auth0 => match (of_feed, of_list, first(&credentials).or(url)) {
                (Some(key), ..) => complaint(key, "`source = \"feed\"`"),
                (None, Some(key), _) => complaint(key, "`source = \"list\"`"),
                (None, None, Some(key)) => complaint(key, "there is a feed or a list"),
                (None, None, None) => self.check_auth0(),
            },
            Source::Feed => match (of_list, of_auth0) {
                (Some(key), _) => complaint(key, "`source = \"list\"`"),
                (None, Some(key)) => complaint(key, "`source = \"auth0\"`"),
                _ if self.url.is_none() => {
                    Err("`revocation.url` is missing: say where the feed is".to_owned())
                }
                _ => self.check_credentials(&credentials),
            },
            Source::List => match (of_feed, of_auth0, first(&credentials)) {
                (Some(key), ..) => complaint(key, "`source = \"feed\"`"),
                (None, Some(key), _) => complaint(key, "`source = \"auth0\"`"),
                _ if self.url.is_some() == self.file.is_some() => {
                    Err("`revocation` needs either `url` or `file`, and not both: say where the list is"
                        .to_owned())
                }
                (None, None, Some(key)) if self.file.is_some() => complaint(key, "there is a `url`"),
                _ => self.check_credentials(&credentials),
            },
        }
    }

    fn check_auth0(&self) -> Result<(), String> {
        let missing = |value: &Option<String>| value.as_ref().is_none_or(String::is_empty);
        let needed = [
            ("domain", &self.domain, "name the tenant's own one, such as \"tenant.eu.auth0.com\""),
            ("client_id", &self.client_id, "name an application that is authorized for the Management API"),
            ("client_secret_file", &self.client_secret_file, "name a file with that application's secret"),
        ];
        if let Some((key, _, remedy)) = needed.into_iter().find(|(_, value, _)| missing(value)) {
            return Err(format!("`revocation.{key}` is missing: {remedy}"));
        }
        if self.audience.as_ref().is_some_and(Vec::is_empty) {
            let remedy = "name the APIs whose tokens come here, or leave it out for the issuer's `audience`";
            return Err(format!("`revocation.audience` is empty: {remedy}"));
        }
        Ok(())
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
}

/// The first setting that was said.
fn first<'a>(settings: &[(&'a str, bool)]) -> Option<&'a str> {
    settings.iter().find(|(_, said)| *said).map(|(key, _)| *key)
}
