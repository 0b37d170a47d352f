//! Settings of sources as they were said, and what their tasks are made from.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;

use super::error::StartError;
use super::settings::{DEFAULT_LIFETIME, IssuerSettings, KeysSetting, claim_names, parse_url};
use crate::background::ask::{Checked, Target};
use crate::background::auth0::{Follower, Plan};
use crate::background::fetch::Fetcher;
use crate::background::pull::Assignment;
use crate::background::snapshot::Snapshot;
use crate::background::source::{Auth0, Common, Credentials, Kind, Place, SourceSettings};
use crate::limits;
use crate::names::Audience;
use crate::redact::without_query;
use crate::revocation::Revocations;
use crate::revocation::entry::{CLAIMS, EntryRules, IDENTIFIERS};
use crate::revocation::freshness::{Bounds, Freshness};

pub(super) const SNAPSHOT_REMEDY: &str =
    "Give each source a file of its own, as state/revocations.bin; for tenants, with {tenant} in its path";
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// What is known through a source, nothing yet, and what its task is made from.
pub(super) fn source(
    settings: &IssuerSettings,
    source: &SourceSettings,
    fetcher: &Fetcher,
) -> Result<(Revocations, Assignment), StartError> {
    let SourceSettings { common, kind } = source;
    check_times(common)?;
    let rules = rules(settings, [common])?;
    let mut long_poll = None;
    let (target, shown) = match kind {
        Kind::Feed { url, credentials, long_poll: wait, signed } => {
            if let Some(wait) = wait {
                check_long_poll(*wait, common)?;
                long_poll = Some(*wait);
            }
            if *signed && matches!(settings.keys, KeysSetting::Secret { .. }) {
                let problem = "whoever shares a secret with the issuer could sign them too";
                let remedy = "Leave it out, or use an issuer with public keys";
                return Err(StartError::new("signed", "true", problem, remedy));
            }
            let url = parse_url(fetcher, "revocation", url)?;
            let shown = without_query(&url);
            (Target::Feed { url, credentials: checked(credentials, fetcher)?, signed: *signed }, shown)
        }
        Kind::List { place, credentials, claim } => {
            check_reread(common, &rules)?;
            let claim = claim.as_str().into();
            match place {
                Place::Url(url) => {
                    let url = parse_url(fetcher, "revocation", url)?;
                    let shown = without_query(&url);
                    (Target::ListUrl { url, credentials: checked(credentials, fetcher)?, claim }, shown)
                }
                Place::File(path) => {
                    (Target::ListFile { path: path.clone(), claim }, path.display().to_string())
                }
            }
        }
        Kind::Auth0(auth0) => {
            check_reread(common, &rules)?;
            let plan = plan(auth0, common, &rules, fetcher)?;
            let shown = plan.api.to_string();
            say_what_becomes_of_tokens_without_jti(settings, auth0, &shown);
            (Target::Auth0(Follower::new(plan)), shown)
        }
        Kind::Polled(polled) => {
            let patience = common.max_staleness.max(limits::SOURCE_ANSWER);
            (Target::Polled { source: polled.source(), patience }, polled.name.clone())
        }
    };
    let bounds = Bounds {
        max_staleness: common.max_staleness,
        expires_after: common.expires_after.max(common.max_staleness),
        when_stale: common.when_stale,
        poll_interval: common.poll_interval,
    };
    let mut revocations = Revocations::new(Freshness::new(bounds), shown);
    if common.dry_run {
        tracing::warn!(
            issuer = settings.name,
            source = revocations.source,
            "dry run: revoked tokens are ADMITTED as far as this source is concerned"
        );
        revocations = revocations.on_trial();
    }
    let mut snapshot = None;
    if let Some(path) = &common.snapshot {
        if path.file_name().is_none() {
            let problem = "it names no file";
            return Err(StartError::new("snapshot", path.display().to_string(), problem, SNAPSHOT_REMEDY));
        }
        let listed = if let Kind::List { claim, .. } = kind { claim } else { "" };
        let understood = format!("{rules:?} {listed:?} {}", common.ignore_unknown_entries);
        snapshot = Some(Arc::new(Mutex::new(Snapshot::new(
            path.clone(),
            &settings.name,
            &revocations.source,
            &understood,
        ))));
        revocations = revocations.kept_at(path.display().to_string());
    }
    Ok((revocations, Assignment { target, common: common.clone(), long_poll, rules, snapshot }))
}

fn plan(auth0: &Auth0, common: &Common, rules: &EntryRules, fetcher: &Fetcher) -> Result<Plan, StartError> {
    let Auth0 { base, client, audiences, parts, .. } = auth0;
    let remedy = "Name each API whose tokens come here, as Auth0 knows it, with Auth0::audience";
    if audiences.is_empty() {
        return Err(StartError::new("revocation", base, "it was given no audience", remedy));
    }
    if let Some(audience) = audiences.iter().find(|name| Audience::try_from(name.as_str()).is_err()) {
        return Err(StartError::new("revocation", audience, "it is no audience", remedy));
    }
    if !parts.blacklist && !parts.client_grants && !parts.user_grants && !parts.logs && !parts.events {
        let remedy = "Leave one of its parts on, or use without_revocation";
        return Err(StartError::new("revocation", base, "nothing of it is asked for", remedy));
    }
    if parts.events && common.max_staleness < limits::EVENTS_STALENESS {
        let remedy =
            "15 s at least: events come over one connection, which must have time to be opened again";
        return Err(StartError::new("max_staleness", words(common.max_staleness), "it is too short", remedy));
    }
    let token_endpoint = client.token_endpoint.clone().unwrap_or_else(|| format!("{base}/oauth/token"));
    Ok(Plan {
        api: parse_url(fetcher, "revocation", &format!("{base}/api/v2/"))?,
        client: client.clone(),
        token_endpoint: parse_url(fetcher, "token_endpoint", &token_endpoint)?,
        audiences: audiences.clone().into(),
        parts: *parts,
        max_token_lifetime: rules.max_token_lifetime,
        max_staleness: common.max_staleness,
        longest_wait: common.max_staleness / 2,
    })
}

/// Auth0's own profile has no `jti`, which surprises whoever has it on. The log tells what is put on the blacklist, too.
fn say_what_becomes_of_tokens_without_jti(settings: &IssuerSettings, auth0: &Auth0, source: &str) {
    let issuer = &settings.name;
    if settings.requires_jti() {
        tracing::info!(
            issuer,
            source,
            "tokens without `jti` are refused: nothing could name one. Auth0's default token profile has none"
        );
    } else if auth0.parts.blacklist || auth0.parts.logs {
        tracing::warn!(issuer, source, "tokens without `jti` are ADMITTED, and no blacklist can name them");
    }
}

/// The rules for what this process revokes itself: what any of its sources may say, and no end where tokens have none.
pub(super) fn in_process_rules(settings: &IssuerSettings) -> Result<EntryRules, StartError> {
    let rules = rules(settings, settings.sources.iter().map(|source| &source.common))?;
    Ok(EntryRules { max_token_lifetime: settings.lifetime().unwrap_or(Duration::MAX), ..rules })
}

fn rules<'a>(
    settings: &IssuerSettings,
    sources: impl IntoIterator<Item = &'a Common>,
) -> Result<EntryRules, StartError> {
    let (mut identifiers, mut claims) = (IDENTIFIERS.to_vec(), CLAIMS.to_vec());
    for common in sources {
        identifiers.extend(common.identifiers.iter().map(String::as_str));
        claims.extend(common.claims.iter().map(String::as_str));
    }
    Ok(EntryRules {
        identifiers: claim_names("identifier", identifiers)?,
        claims: claim_names("claim", claims)?,
        max_token_lifetime: settings.lifetime().unwrap_or(DEFAULT_LIFETIME),
        leeway: settings.leeway,
    })
}

fn check_times(common: &Common) -> Result<(), StartError> {
    let (interval, staleness) = (common.poll_interval, common.max_staleness);
    if interval < SHORTEST_INTERVAL {
        let remedy = "10 ms is the least; 1 s is usual";
        return Err(StartError::new("poll_interval", words(interval), "it is too short", remedy));
    }
    if staleness < interval.saturating_mul(3) {
        let remedy = "Three poll intervals at least, or one late answer refuses everybody";
        return Err(StartError::new("max_staleness", words(staleness), "it is too short", remedy));
    }
    Ok(())
}

fn check_long_poll(wait: Duration, common: &Common) -> Result<(), StartError> {
    if !limits::LONG_POLL.contains(&wait) || wait.subsec_nanos() != 0 {
        let remedy = "Whole seconds, from 1 s to 60 s; 25 s is usual";
        return Err(StartError::new("long_poll", words(wait), "it cannot be asked for", remedy));
    }
    if common.max_staleness < wait.saturating_add(limits::LONG_POLL_MARGIN) {
        let problem = format!("it is too long for a max_staleness of {:?}", common.max_staleness);
        let remedy =
            "max_staleness must be at least 5 s longer than long_poll, or one lost answer refuses everybody";
        return Err(StartError::new("long_poll", words(wait), problem, remedy));
    }
    Ok(())
}

fn check_reread(common: &Common, rules: &EntryRules) -> Result<(), StartError> {
    if common.poll_interval > rules.max_token_lifetime / 2 {
        let problem = format!(
            "it is longer than half of max_token_lifetime ({:?}), for which a listed item is kept",
            rules.max_token_lifetime
        );
        let remedy = "Read the list more often, or entries end before they are read again";
        return Err(StartError::new("poll_interval", words(common.poll_interval), problem, remedy));
    }
    Ok(())
}

fn checked(credentials: &Credentials, fetcher: &Fetcher) -> Result<Checked, StartError> {
    Ok(match credentials {
        Credentials::None => Checked::None,
        Credentials::Fixed(value) => {
            if HeaderValue::from_bytes(value.expose()).is_err() {
                let remedy = "Trim what comes from a file: a line's end is no part of a token";
                return Err(StartError::new("bearer", "[secret]", "it cannot stand in a header", remedy));
            }
            Checked::Fixed(value.clone())
        }
        Credentials::Client(client) => {
            let endpoint = credentials.token_endpoint();
            let endpoint = endpoint.map(|url| parse_url(fetcher, "token_endpoint", url)).transpose()?;
            Checked::Client(client.clone(), endpoint)
        }
    })
}

fn words(duration: Duration) -> String {
    format!("{duration:?}")
}
