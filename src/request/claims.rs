//! Stage 5: the claims mean this resource server, now (RFC 7519 §4.1, RFC 9068 §4). Absence refuses.

use std::sync::Arc;

use crate::clock::{Now, UnixTime};
use crate::json::{Members, Value};
use crate::names::spellings;
use crate::numeric_date;
use crate::policy::profile::{Rules, Shape};
use crate::rejection::RejectionKind;

use super::facts::{Facts, Held, Looked, Place, Tag};
use super::header::Header;
use super::signature::{Parts, Signed};
use super::typed::Typed;
use super::verdict::Recalled;

/// Proof that a token is meant for us and valid at this moment.
pub(super) struct Current(Held);

impl Current {
    #[inline]
    pub(super) fn into_held(self) -> Held {
        self.0
    }
}

/// Judges a freshly verified token.
pub(super) fn check(signed: Signed<'_>, now: Now) -> Result<Current, RejectionKind> {
    let Parts { issuer, header, claims, key, generation, again } = signed.into_parts();
    let rules = &issuer.rules;
    check_kind(&header, &claims, rules.profile.shape())?;
    check_shape(&claims, rules)?;
    check_audience(&claims, rules)?;
    if claims.has("cnf") && !rules.accept_sender_constrained {
        return Err(RejectionKind::SenderConstrained);
    }
    let expires_at = date(&claims, "exp")?.ok_or(RejectionKind::MissingClaim)?;
    let not_before = date(&claims, "nbf")?;
    let issued_at = date(&claims, "iat")?;
    issuer.note_use(now.uptime);
    // It was base64url. Without it the token would only not be known again.
    let signature = std::str::from_utf8(again.signature).unwrap_or_default();
    let facts = Facts {
        issuer,
        header,
        claims: claims.keep(signature),
        expires_at,
        not_before,
        issued_at,
        key,
        seen_in: Tag::of(generation),
        looked_at: Looked::default(),
        name: again.name,
        place: Place::default(),
        typed: Typed::default(),
    };
    check_lifetime(&facts)?;
    check_clock(&facts, now)?;
    Ok(Current(Held::Shared(Arc::new(facts))))
}

/// Judges by the clock alone a token that has passed [`check`] before.
#[inline]
pub(super) fn check_again(recalled: Recalled, now: Now) -> Result<Current, RejectionKind> {
    let facts = recalled.into_held();
    facts.issuer.note_use(now.uptime);
    check_clock(&facts, now)?;
    Ok(Current(facts))
}

/// An access token, and no other JWT that the issuer signs (RFC 8725 §3.11, §3.12).
fn check_kind(header: &Header, claims: &Members<'_>, shape: &Shape) -> Result<(), RejectionKind> {
    let is = |(name, value): &(&str, &str)| matches!(claims.get(name), Some(Value::String(text)) if text == *value);
    let is_access_token = shape.accepts_type(header.typ.as_deref())
        && shape.fixed.iter().all(is)
        && !shape.foreign.iter().any(|name| claims.has(name));
    if is_access_token { Ok(()) } else { Err(RejectionKind::WrongType) }
}

fn check_shape(claims: &Members<'_>, rules: &Rules) -> Result<(), RejectionKind> {
    let required = rules.profile.shape().required;
    // Strings where they are present, whatever the profile; most require them.
    let strings @ [subject, client, id] =
        [claims.is_text("sub"), claims.is_text("client_id"), claims.is_text("jti")];
    let mut fits = strings.into_iter().all(|is_text| is_text.unwrap_or(true));
    for group in required {
        let mut there = false;
        for name in *group {
            let is_text = match *name {
                "sub" => subject,
                "client_id" => client,
                "jti" => id,
                "iat" | "scp" | "roles" => claims.has(name).then_some(true),
                other => claims.is_text(other),
            };
            there |= is_text.is_some();
            fits &= is_text.unwrap_or(true);
        }
        fits &= there;
    }
    if rules.require_jti {
        // What is no text can be named by no revocation.
        fits &= id.is_some() || spellings(&"jti").iter().any(|name| claims.is_text(name) == Some(true));
    }
    if fits { Ok(()) } else { Err(RejectionKind::MissingClaim) }
}

fn check_audience(claims: &Members<'_>, rules: &Rules) -> Result<(), RejectionKind> {
    let ours = |text: &str| rules.audiences.iter().any(|audience| audience.as_str() == text);
    let mut meant = false;
    let stand_in = rules.profile.shape().audience_stand_in;
    match claims.get("aud").or_else(|| claims.get(stand_in?)) {
        Some(Value::String(text)) => meant = ours(&text),
        Some(Value::Array(items)) => {
            for item in items.items() {
                let text = item.into_string().ok_or(RejectionKind::MissingClaim)?;
                meant |= ours(&text);
            }
        }
        _ => return Err(RejectionKind::MissingClaim),
    }
    if meant { Ok(()) } else { Err(RejectionKind::WrongAudience) }
}

/// So that dropping a revocation after the longest lifetime is sound.
fn check_lifetime(facts: &Facts) -> Result<(), RejectionKind> {
    let rules = &facts.issuer.rules;
    let Some(longest) = rules.max_lifetime else { return Ok(()) };
    // Without `iat` nobody can tell how long the token has been valid.
    let from = facts.issued_at.ok_or(RejectionKind::MissingClaim)?;
    if facts.expires_at > from.plus(longest) { Err(RejectionKind::LivesTooLong) } else { Ok(()) }
}

#[inline]
fn check_clock(facts: &Facts, now: Now) -> Result<(), RejectionKind> {
    let leeway = facts.issuer.rules.leeway;
    if now.wall >= facts.expires_at.plus(leeway) {
        return Err(RejectionKind::Expired);
    }
    let latest = now.wall.plus(leeway);
    if facts.not_before.is_some_and(|not_before| not_before > latest) {
        return Err(RejectionKind::NotYetValid);
    }
    if facts.issued_at.is_some_and(|issued_at| issued_at > latest) {
        return Err(RejectionKind::IssuedInFuture);
    }
    Ok(())
}

/// A NumericDate: absent, or one that can be believed.
fn date(claims: &Members<'_>, name: &str) -> Result<Option<UnixTime>, RejectionKind> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(raw)) => numeric_date::parse(raw).map(Some).ok_or(RejectionKind::MissingClaim),
        Some(_) => Err(RejectionKind::MissingClaim),
    }
}
