//! With what a source is asked.

use base64_simd::STANDARD;
use url::form_urlencoded::byte_serialize;

use crate::redact::Secret;

/// What stands in `Authorization`, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    None,
    /// The whole value.
    Fixed(Secret),
    Client(ClientCredentials),
}

/// A client of the issuer, for its grant of client credentials (RFC 6749 §4.4).
///
/// How it authenticates is what the issuer has registered for it (`token_endpoint_auth_method`, RFC 7591 §2): by HTTP Basic
/// ([`in_header`](Self::in_header)) or in the form ([`in_body`](Self::in_body)), and many issuers refuse the other. Default:
/// HTTP Basic, which RFC 6749 §2.3.1 wants every server to know; for [`Auth0`](crate::Auth0), the form.
///
/// ```
/// use tower_bearer::{ClientCredentials, Feed};
///
/// let client = ClientCredentials::new("calendar-api", "its secret").scope("read:revocations");
/// let feed = Feed::new("https://tenant.example/revocations").client_credentials(client);
/// ```
#[derive(Clone, Debug)]
#[must_use = "credentials do nothing before they are given to a source"]
pub struct ClientCredentials {
    id: String,
    secret: Secret,
    /// None: as it is usual with what is asked.
    way: Option<Way>,
    pub(crate) token_endpoint: Option<String>,
    parameters: Vec<(&'static str, String)>,
}

/// Where id and secret stand in the request for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `client_secret_basic`.
    Header,
    /// `client_secret_post`.
    Body,
}

impl ClientCredentials {
    /// Id and secret that the issuer has given out.
    pub fn new(client_id: impl AsRef<str>, secret: impl AsRef<str>) -> Self {
        Self {
            id: client_id.as_ref().to_owned(),
            secret: Secret::new(secret.as_ref().as_bytes()),
            way: None,
            token_endpoint: None,
            parameters: Vec::new(),
        }
    }

    /// Sends id and secret in the form that asks for a token (`client_secret_post`; Auth0's "Client Secret (Post)").
    ///
    /// ```
    /// use tower_bearer::ClientCredentials;
    ///
    /// let client = ClientCredentials::new("calendar-api", "its secret").in_body();
    /// ```
    pub fn in_body(mut self) -> Self {
        self.way = Some(Way::Body);
        self
    }

    /// Sends id and secret by HTTP Basic, form-encoded (`client_secret_basic`; Auth0's "Client Secret (Basic)").
    pub fn in_header(mut self) -> Self {
        self.way = Some(Way::Header);
        self
    }

    /// Where tokens are fetched. Default: the `token_endpoint` of the issuer's metadata.
    pub fn token_endpoint(mut self, url: impl Into<String>) -> Self {
        self.token_endpoint = Some(url.into());
        self
    }

    /// What the token is meant for, as Auth0 wants to be told (`audience`).
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.parameter("audience", audience.into())
    }

    /// What the token is meant for, as RFC 8707 says it (`resource`). May be called repeatedly.
    pub fn resource(self, resource: impl Into<String>) -> Self {
        self.parameter("resource", resource.into())
    }

    /// The scopes that the source asks for, with spaces between (`scope`).
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.parameter("scope", scope.into())
    }

    /// The same client for one audience, whatever it was meant for.
    pub(in crate::background) fn only_for(mut self, audience: &str) -> Self {
        self.parameters.retain(|(name, _)| *name != "audience");
        self.audience(audience)
    }

    /// The same client, in the body where nothing else was said.
    pub(in crate::background) fn rather_in_body(mut self) -> Self {
        self.way.get_or_insert(Way::Body);
        self
    }

    fn parameter(mut self, name: &'static str, value: String) -> Self {
        self.parameters.push((name, value));
        self
    }

    /// The whole `Authorization` value for the token endpoint, if it gets one.
    pub(in crate::background) fn authorization(&self) -> Option<Secret> {
        if self.way == Some(Way::Body) {
            return None;
        }
        let encoded = |text: &[u8]| byte_serialize(text).collect::<String>();
        let (id, secret) = (encoded(self.id.as_bytes()), encoded(self.secret.expose()));
        Some(basic(&format!("{id}:{secret}")))
    }

    /// The form to post.
    pub(in crate::background) fn form(&self) -> Secret {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials").extend_pairs(&self.parameters);
        let mut form = form.finish();
        if self.way == Some(Way::Body) {
            let own = [("&client_id=", self.id.as_bytes()), ("&client_secret=", self.secret.expose())];
            for (name, value) in own {
                form.push_str(name);
                form.extend(byte_serialize(value));
            }
        }
        Secret::new(form.into_bytes())
    }
}

impl Credentials {
    pub(super) fn bearer(token: &str) -> Self {
        Self::Fixed(Secret::new(format!("Bearer {token}").into_bytes()))
    }

    pub(super) fn basic(user: &str, password: &str) -> Self {
        Self::Fixed(basic(&format!("{user}:{password}")))
    }

    pub(crate) fn token_endpoint(&self) -> Option<&str> {
        match self {
            Self::Client(client) => client.token_endpoint.as_deref(),
            Self::None | Self::Fixed(_) => None,
        }
    }

    pub(super) fn token_endpoint_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Client(client) => client.token_endpoint.as_mut(),
            Self::None | Self::Fixed(_) => None,
        }
    }
}

fn basic(pair: &str) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode_to_string(pair)).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "grant_type=client_credentials&audience=https%3A%2F%2Fx%2F%3Fa%3Db&scope=r%3Ae+w";

    fn client() -> ClientCredentials {
        ClientCredentials::new("a b:c", "p%ä+").audience("https://x/?a=b").scope("r:e w")
    }

    /// RFC 6749 §2.3.1.
    #[test]
    fn id_and_secret_are_form_encoded() {
        let encoded = format!("Basic {}", STANDARD.encode_to_string("a+b%3Ac:p%25%C3%A4%2B"));
        for client in [client(), client().in_header(), client().in_header().rather_in_body()] {
            assert_eq!(client.authorization().unwrap().expose(), encoded.as_bytes());
            assert_eq!(client.form().expose(), FORM.as_bytes(), "in one way only");
        }
        let form = format!("{FORM}&client_id=a+b%3Ac&client_secret=p%25%C3%A4%2B");
        for client in [client().in_body(), client().rather_in_body(), client().in_header().in_body()] {
            assert!(client.authorization().is_none(), "in one way only");
            assert_eq!(client.form().expose(), form.as_bytes());
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        for client in [client(), client().in_body()] {
            let shown = format!("{client:?} {:?} {:?}", client.form(), client.authorization());
            assert!(!shown.contains("p%") && !shown.contains("client_secret") && !shown.contains("Basic"));
        }
    }
}
