//! From `[issuer.revocation]` to the source that it describes.

use std::path::Path;

use tower_bearer::{Auth0, ClientCredentials, Feed, List, SourceSettings};

use crate::config::ConfigError;
use crate::files::{beside, secret_text};
use crate::issuers::{apply, period};
use crate::revocation::{Basic, Revocation};
use crate::values::{ClientAuthentication, Source};

/// As whom a feed or list is asked.
enum Credentials {
    None,
    Bearer(String),
    Basic { user: String, password: String },
    Client(ClientCredentials),
}

/// The settings that have the same names in all sources.
macro_rules! with_common {
    ($kind:ident, $source:expr, $settings:expr, $config:expr) => {{
        let (source, settings) = ($source, $settings);
        let source = apply(source, period(settings.poll_interval), $kind::poll_interval);
        let source = apply(source, period(settings.max_staleness), $kind::max_staleness);
        let source = apply(source, period(settings.expires_after), $kind::expires_after);
        let source = apply(source, settings.when_stale.map(Into::into), $kind::when_stale);
        let source = if settings.dry_run { source.dry_run() } else { source };
        let snapshot = settings.snapshot.as_ref().map(|path| beside($config, path));
        apply(source, snapshot, $kind::snapshot)
    }};
}

/// The credentials of a feed or list.
macro_rules! with_credentials {
    ($source:expr, $credentials:expr) => {
        match $credentials {
            Credentials::None => $source,
            Credentials::Bearer(token) => $source.bearer(token),
            Credentials::Basic { user, password } => $source.basic(user, password),
            Credentials::Client(client) => $source.client_credentials(client),
        }
    };
}

/// `audiences` are the issuer's.
pub(crate) fn source(
    of: &Revocation,
    audiences: &[String],
    config: &Path,
) -> Result<SourceSettings, ConfigError> {
    Ok(match of.source {
        Source::Auth0 => with_common!(Auth0, auth0(of, audiences, config)?, of, config).into(),
        Source::List => {
            let list = with_common!(List, list(of, config), of, config);
            with_credentials!(list, credentials(of, config)?).into()
        }
        Source::Feed | Source::None => {
            let feed = with_common!(Feed, feed(of), of, config);
            with_credentials!(feed, credentials(of, config)?).into()
        }
    })
}

fn feed(of: &Revocation) -> Feed {
    let feed = Feed::new(of.url.as_deref().unwrap_or_default());
    let feed = apply(feed, period(of.long_poll), Feed::long_poll);
    let feed = if of.signed { feed.signed() } else { feed };
    let feed = if of.ignore_unknown_entries { feed.ignore_unknown_entries() } else { feed };
    let feed = of.identifiers.iter().flatten().fold(feed, Feed::identifier);
    of.claims.iter().flatten().fold(feed, Feed::claim)
}

fn list(of: &Revocation, config: &Path) -> List {
    let list = match &of.file {
        Some(file) => List::file(beside(config, file)),
        None => List::new(of.url.as_deref().unwrap_or_default()),
    };
    apply(list, of.claim.as_ref(), List::claim)
}

/// Each part is a line of its own here, as in the library.
fn auth0(of: &Revocation, audiences: &[String], config: &Path) -> Result<Auth0, ConfigError> {
    let file = of.client_secret_file.as_deref().unwrap_or_default();
    let secret = secret_text("client_secret_file", file, config)?;
    let client = ClientCredentials::new(of.client_id.as_deref().unwrap_or_default(), secret);
    let client = apply(client, of.client_authentication, ClientAuthentication::of);
    let auth0 = Auth0::new(of.domain.as_deref().unwrap_or_default(), client);
    let auth0 = of.audience.as_deref().unwrap_or(audiences).iter().fold(auth0, Auth0::audience);
    let auth0 = if of.blacklist == Some(false) { auth0.without_blacklist() } else { auth0 };
    let auth0 = if of.client_grants == Some(false) { auth0.without_client_grants() } else { auth0 };
    let auth0 = if of.user_grants == Some(true) { auth0.user_grants() } else { auth0 };
    let auth0 = if of.logs == Some(true) { auth0.logs() } else { auth0 };
    let auth0 = if of.events == Some(true) { auth0.events() } else { auth0 };
    Ok(auth0)
}

fn credentials(of: &Revocation, config: &Path) -> Result<Credentials, ConfigError> {
    if let Some(path) = &of.bearer_file {
        return Ok(Credentials::Bearer(secret_text("bearer_file", path, config)?));
    }
    if let Some(Basic { user, password_file }) = &of.basic {
        let password = secret_text("password_file", password_file, config)?;
        return Ok(Credentials::Basic { user: user.clone(), password });
    }
    let Some(client) = &of.client_credentials else { return Ok(Credentials::None) };
    let secret = secret_text("secret_file", &client.secret_file, config)?;
    let made = ClientCredentials::new(&client.client_id, secret);
    let made = apply(made, client.authentication, ClientAuthentication::of);
    let made = apply(made, client.token_endpoint.as_ref(), ClientCredentials::token_endpoint);
    let made = apply(made, client.audience.as_ref(), ClientCredentials::audience);
    let made = apply(made, client.scope.as_ref(), ClientCredentials::scope);
    Ok(Credentials::Client(client.resource.iter().fold(made, ClientCredentials::resource)))
}
