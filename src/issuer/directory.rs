//! Finding an issuer by the `iss` of a token: those that were named, then tenants.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::TrustedIssuer;
use crate::policy::tenants::Permission;

/// All issuers of a resource server.
#[derive(Debug)]
pub(crate) struct Directory {
    named: HashMap<Box<str>, Arc<TrustedIssuer>>,
    tenants: Box<[Arc<TenantMap>]>,
}

/// Whose token it may be.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Named(&'a Arc<TrustedIssuer>),
    /// Of the tenants at this place.
    Tenant(usize, Arc<TrustedIssuer>),
    /// Nobody knows it yet, but the tenants at this place permit it.
    Permitted(usize),
    Nobody,
}

impl Directory {
    pub(crate) fn new(
        named: impl IntoIterator<Item = Arc<TrustedIssuer>>,
        tenants: Box<[Arc<TenantMap>]>,
    ) -> Self {
        let named = named.into_iter().map(|issuer| (issuer.name.as_str().into(), issuer)).collect();
        Self { named, tenants }
    }

    /// Waits for nothing and allocates nothing.
    pub(crate) fn find(&self, name: &str) -> Found<'_> {
        // Comparing with one or two costs less than a hash.
        let named = match self.named.len() {
            0..=2 => self.named.values().find(|issuer| issuer.name.as_str() == name),
            _ => self.named.get(name),
        };
        if let Some(issuer) = named {
            return Found::Named(issuer);
        }
        match self.tenants.iter().enumerate().find(|(_, tenants)| tenants.permission.permits(name)) {
            Some((place, tenants)) => match tenants.living().get(name) {
                Some(issuer) => Found::Tenant(place, Arc::clone(issuer)),
                None => Found::Permitted(place),
            },
            None => Found::Nobody,
        }
    }
}

/// The tenants that are known now, out of those that are permitted.
#[derive(Debug)]
pub(crate) struct TenantMap {
    pub(crate) permission: Permission,
    living: ArcSwap<Living>,
}

pub(crate) type Living = HashMap<Arc<str>, Arc<TrustedIssuer>>;

impl TenantMap {
    pub(crate) fn new(permission: Permission) -> Self {
        Self { permission, living: ArcSwap::default() }
    }

    pub(crate) fn living(&self) -> Guard<Arc<Living>> {
        self.living.load()
    }

    /// Puts others in their place. Only one may do so at a time.
    pub(crate) fn replace(&self, living: Living) {
        self.living.store(Arc::new(living));
    }
}
