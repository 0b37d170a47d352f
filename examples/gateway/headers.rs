//! Headers that end at the gateway, in either direction.

use std::net::SocketAddr;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{Request, Uri, Version};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Meant for the next hop only (RFC 9110 §7.6.1), besides what `Connection` names.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// With these a client makes some frameworks serve another path or method than the one that was judged.
const REROUTING: [&str; 6] = [
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Removes what is meant for this hop.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // RFC 9112 §6.3: where both are there, the length is a lie.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in named_in_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn named_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).into_iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

/// What `Via` says of this hop (RFC 9110 §7.6.3): the version that it was reached by, and a pseudonym.
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(if version == Version::HTTP_10 { "1.0 gateway" } else { "1.1 gateway" })
}

/// Makes the headers of an incoming request fit to be passed on: none but ours say who asked, from where and for what.
pub(crate) fn prepare<B>(request: &mut Request<B>, peer: SocketAddr) {
    let host = original_host(request.uri(), request.headers());
    let via = via(request.version());
    let headers = request.headers_mut();
    remove_hop_by_hop(headers);
    let foreign: Vec<_> = headers.keys().filter(|name| is_reserved(name)).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
    if let Ok(peer) = HeaderValue::try_from(peer.ip().to_string()) {
        headers.insert(X_FORWARDED_FOR, peer);
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Some(host) = host {
        headers.insert(X_FORWARDED_HOST, host);
    }
    headers.append(VIA, via);
}

/// RFC 9112 §3.2.2: an absolute request target outweighs `Host`.
fn original_host(uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    let absolute = uri.authority().and_then(|authority| HeaderValue::try_from(authority.as_str()).ok());
    absolute.or_else(|| headers.get(HOST).cloned())
}

/// Headers that only the gateway itself may set, and those that it keeps out, in every spelling.
fn is_reserved(name: &HeaderName) -> bool {
    let name = folded(name);
    let origin = [FORWARDED.as_str(), "x-real-ip"].contains(&&*name) || name.starts_with("x-forwarded-");
    origin || REROUTING.contains(&&*name)
}

/// Whether a claim may be forwarded in this header without breaking the message or the gateway's own word.
pub(crate) fn can_carry_claim(name: &HeaderName) -> bool {
    let own = [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, VIA];
    let needed = [HOST, CONTENT_LENGTH, AUTHORIZATION, EXPECT, COOKIE, FORWARDED];
    let taken = |taken: &HeaderName| folded(name) == taken.as_str();
    ![own.iter(), needed.iter(), HOP_BY_HOP.iter()].into_iter().flatten().any(taken)
        && !REROUTING.contains(&&*folded(name))
}

/// Many servers take `_` for `-`.
fn folded(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}
