//! From the settings of tenants to what takes them in, one by one.

use std::sync::Arc;

use super::error::StartError;
use super::prepared::Prepared;
use super::settings::{IssuerSettings, KeysSetting};
use super::sources::SNAPSHOT_REMEDY;
use super::start;
use crate::background::Surroundings;
use crate::background::fetch::{Fetcher, Shared};
use crate::background::source::{Kind, Place, SourceSettings};
use crate::background::tenancy::{Make, Tenancy};
use crate::clock::Clock;
use crate::issuer::directory::TenantMap;
use crate::issuer::life::Life;
use crate::policy::tenants::{Permission, Tenants, TenantsError};

const PATTERN_REMEDY: &str = "Put {tenant} once into the path, or into the host before the domain that is yours, as https://{tenant}.example.com/";
const URL_REMEDY: &str = "Put {tenant} into the path, the query, or the host before the domain that is yours; for a list of issuers, {issuer}";
const LIMITS_REMEDY: &str =
    "List one issuer and allow one tenant at least, and let them be idle for a minute";

impl IssuerSettings {
    pub(super) fn of_tenants(tenants: Tenants) -> Self {
        Self { name: tenants.describe(), tenants: Some(tenants), ..Self::new(String::new()) }
    }

    /// The settings of one tenant, which must be permitted.
    pub(super) fn of_tenant(&self, permitted: &Permission, name: &str) -> Self {
        let fill = |text: &String| permitted.fill(text, name);
        let mut own = Self { name: name.to_owned(), tenants: None, ..self.clone() };
        own.audiences.iter_mut().for_each(|audience| *audience = fill(audience));
        if let KeysSetting::Url(url) = &mut own.keys {
            *url = fill(url);
        }
        for path in own.sources.iter_mut().filter_map(|source| source.common.snapshot.as_mut()) {
            if let Some(text) = path.to_str() {
                *path = permitted.fill(text, name).into();
            }
        }
        own.sources.iter_mut().flat_map(SourceSettings::urls_mut).for_each(|url| *url = fill(url));
        own
    }

    /// The URLs that the operator has given besides the issuer.
    pub(super) fn named_urls(&self) -> impl Iterator<Item = &str> {
        let keys = if let KeysSetting::Url(url) = &self.keys { Some(url) } else { None };
        keys.into_iter().map(String::as_str).chain(self.sources.iter().flat_map(SourceSettings::urls))
    }
}

pub(super) fn tenancy(
    settings: &IssuerSettings,
    tenants: &Tenants,
    clock: &Arc<dyn Clock>,
    shared: &mut Shared,
) -> Result<Tenancy, StartError> {
    let permission = || {
        tenants.permission().map_err(|error| {
            let remedy = match error {
                TenantsError::NoNames | TenantsError::NoRoom | TenantsError::TooShort => LIMITS_REMEDY,
                _ => PATTERN_REMEDY,
            };
            StartError::because("tenants", &settings.name, error, remedy)
        })
    };
    let permitted = permission()?;
    check_urls(settings, &permitted)?;
    // Whatever is wrong with the settings shows now rather than when the first token comes.
    let mut fetcher: Option<Fetcher> = None;
    for name in tenants.samples() {
        let sample = settings.of_tenant(&permitted, &name);
        let own = match &fetcher {
            Some(fetcher) => another(fetcher, &sample)?,
            None => fetcher.insert(start::fetcher(&sample, shared)?).clone(),
        };
        Prepared::of(&sample, surroundings(clock, own, &Life::new(clock.uptime(), false)), None, None)?;
    }
    let Some(fetcher) = fetcher else {
        return Err(StartError::because("tenants", &settings.name, TenantsError::NoNames, LIMITS_REMEDY));
    };
    let make = maker(settings.clone(), permission()?, fetcher, Arc::clone(clock));
    let (name, map) = (settings.name.clone(), TenantMap::new(permitted));
    Ok(Tenancy::new(name, map, tenants.limits(), Arc::clone(clock), make))
}

fn check_urls(settings: &IssuerSettings, permitted: &Permission) -> Result<(), StartError> {
    let complaint = |setting, url: &str| {
        let shown = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        move |error| StartError::because(setting, shown, error, URL_REMEDY)
    };
    if let KeysSetting::Url(url) = &settings.keys {
        permitted.check_url(url).map_err(complaint("jwks_url", url))?;
    }
    for source in &settings.sources {
        if let Some(path) = &source.common.snapshot
            && !permitted.tells_apart(&path.to_string_lossy())
        {
            let path = path.display().to_string();
            return Err(StartError::because("snapshot", path, TenantsError::OneForAll, SNAPSHOT_REMEDY));
        }
        if let Some(url) = source.token_endpoint() {
            permitted.check_url(url).map_err(complaint("token_endpoint", url))?;
        }
        match &source.kind {
            Kind::Feed { url, .. } => permitted.check_feed(url).map_err(complaint("revocation", url))?,
            Kind::List { place: Place::Url(url), .. } => {
                permitted.check_url(url).map_err(complaint("revocation", url))?;
            }
            // Ids may be those of all tenants.
            Kind::List { place: Place::File(_), .. } => {}
            Kind::Auth0(auth0) => return Err(one_for_all(&auth0.base)),
            Kind::Polled(polled) => return Err(one_for_all(&polled.name)),
        }
    }
    Ok(())
}

fn one_for_all(source: &str) -> StartError {
    let remedy = "Name the issuers one by one, each with a source of its own";
    StartError::because("revocation", source, TenantsError::OneForAll, remedy)
}

fn maker(
    settings: IssuerSettings,
    permitted: Permission,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
) -> Box<Make> {
    Box::new(move |name, life, kept| {
        let settings = settings.of_tenant(&permitted, name);
        let prepared = another(&fetcher, &settings).and_then(|fetcher| {
            let around = surroundings(&clock, fetcher, &life);
            Prepared::of(&settings, around, Some(life), kept)
        });
        match prepared {
            Ok(prepared) => Some((Arc::clone(&prepared.issuer), prepared.keep())),
            Err(error) => {
                // A name that fits the pattern, and yet makes no URL: `xn--` and the like.
                tracing::debug!(tenants = settings.name, %error, "no tenant can have this name");
                None
            }
        }
    })
}

fn another(fetcher: &Fetcher, settings: &IssuerSettings) -> Result<Fetcher, StartError> {
    let terms = settings.transport.terms(&settings.name, settings.named_urls());
    terms
        .map(|terms| fetcher.under(terms))
        .map_err(|error| StartError::new("transport", error.value, error.problem, error.remedy))
}

/// Each tenant has news of its own: the others need not hear them.
fn surroundings(clock: &Arc<dyn Clock>, fetcher: Fetcher, life: &Life) -> Surroundings {
    Surroundings { clock: Arc::clone(clock), fetcher, news: life.news.clone() }
}
