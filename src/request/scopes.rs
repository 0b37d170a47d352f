//! Stage 6: the scopes suffice for the route (RFC 6750 §3.1, RFC 9068 §2.2.3).

use crate::json::Value;
use crate::policy::Policy;
use crate::rejection::{Rejection, RejectionKind};
use crate::scope;

use super::claims::Current;
use super::facts::{Facts, Held};

/// Proof that a current token may do what the route does.
pub(super) struct Allowed(Held);

impl Allowed {
    #[inline]
    pub(super) fn into_held(self) -> Held {
        self.0
    }
}

#[inline]
pub(super) fn check(current: Current, policy: &Policy) -> Result<Allowed, Rejection> {
    let facts = current.into_held();
    let known = match policy.demand() {
        Some(demand) => facts.meets(demand),
        None => policy.allows(|_| false),
    };
    if known { Ok(Allowed(facts)) } else { check_claims(facts, policy) }
}

/// Apart from what most requests of tokens that come again need.
#[inline(never)]
fn check_claims(facts: Held, policy: &Policy) -> Result<Allowed, Rejection> {
    if !policy.allows(|wanted| carries(&facts, wanted)) {
        return Err(Rejection::new(RejectionKind::InsufficientScope).needing(policy.needed()));
    }
    // A yes to this very demand, and to no other, holds for as long as the token does.
    facts.note_meets(policy.demand());
    Ok(Allowed(facts))
}

/// Whether any configured claim holds the scope: in a space-delimited string, or as an item of an array.
pub(super) fn carries(facts: &Facts, wanted: &str) -> bool {
    facts.issuer.rules.scope_claims.iter().any(|name| match facts.claims.get(name.as_str()) {
        Some(Value::String(list)) => scope::lists(&list, wanted),
        Some(Value::Array(items)) => {
            items.items().any(|item| item.into_string().is_some_and(|s| s == wanted))
        }
        _ => false,
    })
}
