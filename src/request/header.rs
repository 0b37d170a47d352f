//! The JOSE header: read once, and recognised by its bytes from then on. Few issuers have more than two.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use crate::algorithm::Algorithm;
use crate::json::{self, Members, Value};
use crate::limits;
use crate::rejection::RejectionKind;

use super::token::Text;

/// What a header says, and its bytes as they came.
pub(super) struct Header {
    pub(super) encoded: Box<[u8]>,
    pub(super) algorithm: Algorithm,
    /// The key id, where there is one.
    pub(super) kid: Option<Box<str>>,
    pub(super) typ: Option<Box<str>>,
}

impl Header {
    /// What it adds to each token that is kept: as if none shared it, for that is for the issuer to choose.
    pub(super) fn weight(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        size_of::<Self>() + self.encoded.len() + text(&self.kid) + text(&self.typ)
    }
}

thread_local! {
    /// Of tokens that were admitted: nobody else's may drive them out.
    static KNOWN: RefCell<Known> = const { RefCell::new(Known { headers: [const { None }; limits::KNOWN_HEADERS], next: 0 }) };
}

struct Known {
    headers: [Option<Arc<Header>>; limits::KNOWN_HEADERS],
    next: usize,
}

/// What a token's header says: known already, or borrowed from where it was decoded to until the token verifies.
pub(super) enum Claimed<'a> {
    Known(Arc<Header>),
    New(New<'a>),
}

pub(super) struct New<'a> {
    encoded: &'a [u8],
    algorithm: Algorithm,
    kid: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
}

impl Claimed<'_> {
    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Known(header) => header.algorithm,
            Self::New(new) => new.algorithm,
        }
    }

    pub(super) fn kid(&self) -> Option<&str> {
        match self {
            Self::Known(header) => header.kid.as_deref(),
            Self::New(new) => new.kid.as_deref(),
        }
    }

    /// For as long as the token lives.
    pub(super) fn keep(self) -> Arc<Header> {
        match self {
            Self::Known(header) => header,
            Self::New(New { encoded, algorithm, kid, typ }) => {
                let text = |text: Cow<'_, str>| text.into_owned().into_boxed_str();
                Arc::new(Header {
                    encoded: encoded.into(),
                    algorithm,
                    kid: kid.map(text),
                    typ: typ.map(text),
                })
            }
        }
    }
}

/// Where a header is decoded to.
pub(super) struct Room {
    text: Text<{ limits::JOSE_HEADER_BYTES }>,
    members: json::Room,
}

impl Room {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { text: Text::new(), members: json::Room::default() }
    }
}

/// Reads a header, unless it is known.
pub(super) fn read<'a>(encoded: &'a [u8], room: &'a mut Room) -> Result<Claimed<'a>, RejectionKind> {
    match recognise(encoded) {
        Some(header) => Ok(Claimed::Known(header)),
        None => parse(encoded, room).map(Claimed::New),
    }
}

fn recognise(encoded: &[u8]) -> Option<Arc<Header>> {
    let find = |known: &RefCell<Known>| {
        let known = known.try_borrow().ok()?;
        known.headers.iter().flatten().find(|header| *header.encoded == *encoded).cloned()
    };
    KNOWN.try_with(find).ok().flatten()
}

/// Keeps the header of an admitted token.
pub(super) fn remember(header: &Arc<Header>) {
    let keep = |known: &RefCell<Known>| {
        let Ok(mut known) = known.try_borrow_mut() else { return };
        if known.headers.iter().flatten().any(|known| Arc::ptr_eq(known, header)) {
            return;
        }
        let place = known.next % limits::KNOWN_HEADERS;
        known.next = place + 1;
        if let Some(slot) = known.headers.get_mut(place) {
            *slot = Some(Arc::clone(header));
        }
    };
    // A thread that is ending keeps nothing.
    let _ = KNOWN.try_with(keep);
}

/// What the header demands. Keys that it brings along (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
fn parse<'a>(encoded: &'a [u8], room: &'a mut Room) -> Result<New<'a>, RejectionKind> {
    let text = room.text.decode(encoded).ok_or(RejectionKind::MalformedToken)?;
    let members = Members::read(text, limits::HEADER_DEPTH, limits::OBJECT_MEMBERS, &mut room.members)
        .map_err(|_| RejectionKind::MalformedToken)?;
    let algorithm = match members.get("alg") {
        Some(Value::String(name)) => Algorithm::from_name(&name).ok_or(RejectionKind::WrongAlgorithm)?,
        _ => return Err(RejectionKind::WrongAlgorithm),
    };
    // They change what a token means, and nobody here understands them.
    if members.has("crit") || members.has("b64") || members.has("zip") || members.has("enc") {
        return Err(RejectionKind::UnsupportedToken);
    }
    let short = |member: Option<Value<'a>>| match member {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= limits::KEY_ID_BYTES => Ok(Some(text)),
        Some(_) => Err(RejectionKind::MalformedToken),
    };
    let kid = short(members.get("kid"))?;
    let typ = short(members.get("typ"))?;
    let content = short(members.get("cty"))?;
    if content.is_some_and(|cty| ["jwt", "application/jwt"].iter().any(|jwt| cty.eq_ignore_ascii_case(jwt))) {
        return Err(RejectionKind::UnsupportedToken);
    }
    Ok(New { encoded, algorithm, kid, typ })
}
