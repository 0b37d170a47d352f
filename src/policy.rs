//! What a route demands of a token that is valid for this resource server.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::scope::{ScopeError, ScopeToken};

pub(crate) mod profile;
pub(crate) mod tenants;

/// A route's demand: which scopes, and what to do while revocation news are overdue.
///
/// Made by [`scope`], [`all_of`], [`any_of`] and [`any_token`]. A policy that names no scope where scopes are
/// asked for (`all_of([])`, `any_of([])`) admits nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    scopes: Scopes,
    when_stale: Option<WhenStale>,
    /// The scopes as a challenge shows them (RFC 6750 §3), made once.
    needed: Option<Arc<str>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Scopes {
    Unneeded,
    AllOf(Arc<[ScopeToken]>, DemandId),
    AnyOf(Arc<[ScopeToken]>, DemandId),
}

/// Which demand it is, so that an answer to it can be remembered: clones share it, no two that were made apart do.
#[derive(Clone, Copy)]
pub(crate) struct DemandId(NonZeroU64);

impl DemandId {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(NonZeroU64::MIN.saturating_add(LAST.fetch_add(1, Ordering::Relaxed)))
    }

    #[inline]
    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }
}

/// Policies that demand the same are equal, wherever they were made.
impl PartialEq for DemandId {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for DemandId {}

/// What happens to a request while the revocation feed is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WhenStale {
    /// 503 with `Retry-After`: a revocation may have been missed, so nobody is let in.
    #[default]
    Refuse,
    /// Judged by the revocations known so far, until the feed counts as expired.
    Admit,
}

/// Any token of this resource server, whatever its scopes.
#[must_use]
pub fn any_token() -> Policy {
    Policy { scopes: Scopes::Unneeded, when_stale: None, needed: None }
}

/// A token with this scope.
///
/// # Panics
/// If `scope` is not a scope value: these are literals of a program. For text from elsewhere use
/// [`Policy::try_all_of`].
#[must_use]
#[track_caller]
pub fn scope(scope: &str) -> Policy {
    all_of([scope])
}

/// A token with every one of these scopes.
///
/// # Panics
/// As [`scope`].
#[must_use]
#[track_caller]
#[expect(clippy::panic, reason = "a wrong literal is a mistake of the program, said where it stands")]
pub fn all_of<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Policy {
    match Policy::try_all_of(scopes) {
        Ok(policy) => policy,
        Err(error) => panic!("all_of: {error}"),
    }
}

/// A token with at least one of these scopes.
///
/// # Panics
/// As [`scope`].
#[must_use]
#[track_caller]
#[expect(clippy::panic, reason = "a wrong literal is a mistake of the program, said where it stands")]
pub fn any_of<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Policy {
    match Policy::try_any_of(scopes) {
        Ok(policy) => policy,
        Err(error) => panic!("any_of: {error}"),
    }
}

impl Policy {
    /// [`all_of`] for scopes that come from a file or a user.
    ///
    /// # Errors
    /// If one of them is not a scope value.
    pub fn try_all_of<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let scopes = parse(scopes)?;
        Ok(Self {
            needed: Some(join(&scopes)),
            scopes: Scopes::AllOf(scopes, DemandId::new()),
            when_stale: None,
        })
    }

    /// [`any_of`] for scopes that come from a file or a user.
    ///
    /// # Errors
    /// If one of them is not a scope value.
    pub fn try_any_of<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let scopes = parse(scopes)?;
        Ok(Self {
            needed: Some(join(&scopes)),
            scopes: Scopes::AnyOf(scopes, DemandId::new()),
            when_stale: None,
        })
    }

    /// What to do while the revocation feed is stale, instead of what the feed itself says.
    #[must_use]
    pub fn when_stale(mut self, choice: WhenStale) -> Self {
        self.when_stale = Some(choice);
        self
    }

    pub(crate) fn stale_choice(&self) -> Option<WhenStale> {
        self.when_stale
    }

    /// The scopes that a challenge names; absent where any token will do.
    pub(crate) fn needed(&self) -> Option<&Arc<str>> {
        self.needed.as_ref()
    }

    /// Which demand of scopes this is; none where none is made. Nothing ever changes what one demands.
    #[inline]
    pub(crate) fn demand(&self) -> Option<DemandId> {
        match &self.scopes {
            Scopes::Unneeded => None,
            Scopes::AllOf(_, id) | Scopes::AnyOf(_, id) => Some(*id),
        }
    }

    /// Whether a token suffices, given the answer to "does it carry this scope?".
    pub(crate) fn allows(&self, mut carries: impl FnMut(&str) -> bool) -> bool {
        match &self.scopes {
            Scopes::Unneeded => true,
            Scopes::AllOf(scopes, _) => {
                !scopes.is_empty() && scopes.iter().all(|scope| carries(scope.as_str()))
            }
            Scopes::AnyOf(scopes, _) => scopes.iter().any(|scope| carries(scope.as_str())),
        }
    }
}

fn parse<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Arc<[ScopeToken]>, ScopeError> {
    scopes.into_iter().map(ScopeToken::try_from).collect()
}

fn join(scopes: &[ScopeToken]) -> Arc<str> {
    scopes.iter().map(ScopeToken::as_str).collect::<Vec<_>>().join(" ").into()
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unneeded => f.write_str("any token"),
            Self::AllOf(scopes, _) => write!(f, "all of {scopes:?}"),
            Self::AnyOf(scopes, _) => write!(f, "any of {scopes:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_decide() {
        let table: [(Policy, &[&str], bool); 9] = [
            (any_token(), &[], true),
            (scope("a"), &["a", "b"], true),
            (scope("a"), &["A", "ab"], false),
            (all_of(["a", "b"]), &["b", "a"], true),
            (all_of(["a", "b"]), &["a"], false),
            (any_of(["a", "b"]), &["b"], true),
            (any_of(["a", "b"]), &["c"], false),
            (all_of([]), &["a"], false),
            (any_of([]), &["a"], false),
        ];
        for (policy, carried, expected) in table {
            assert_eq!(
                policy.allows(|scope| carried.contains(&scope)),
                expected,
                "{policy:?} of {carried:?}"
            );
        }
    }

    #[test]
    fn each_demand_is_told_apart_but_equal_to_the_same_made_elsewhere() {
        let number = |policy: &Policy| policy.demand().map(DemandId::number);
        let (one, other) = (scope("a"), scope("a"));
        assert_eq!(one, other);
        assert!(number(&one).is_some() && number(&one) != number(&other));
        assert_eq!(number(&one), number(&one.clone().when_stale(WhenStale::Admit)));
        assert_eq!(number(&any_token()), None);
    }

    #[test]
    #[should_panic(expected = "all_of: a scope value has a character")]
    fn a_literal_with_a_space_is_a_mistake_of_the_program() {
        let _ = scope("read events");
    }
}
