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

/// A client of the issuer, for its grant of client credentials (RFC 6749 §4.4). It authenticates by HTTP Basic, with id and
/// secret form-encoded (RFC 6749 §2.3.1).
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
    /// The whole value for the token endpoint.
    pub(in crate::background) authorization: Secret,
    pub(crate) token_endpoint: Option<String>,
    parameters: Vec<(&'static str, String)>,
}

impl ClientCredentials {
    /// Id and secret that the issuer has given out.
    pub fn new(client_id: impl AsRef<str>, secret: impl AsRef<str>) -> Self {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(client_id.as_ref()), encoded(secret.as_ref()));
        Self { authorization: basic(&pair), token_endpoint: None, parameters: Vec::new() }
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

    fn parameter(mut self, name: &'static str, value: String) -> Self {
        self.parameters.push((name, value));
        self
    }

    /// The form to post.
    pub(in crate::background) fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials").extend_pairs(&self.parameters);
        form.finish()
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

    /// RFC 6749 §2.3.1.
    #[test]
    fn id_and_secret_are_form_encoded() {
        let client = ClientCredentials::new("a b:c", "p%ä+").audience("https://x/?a=b").scope("r:e w");
        let expected = format!("Basic {}", STANDARD.encode_to_string("a+b%3Ac:p%25%C3%A4%2B"));
        assert_eq!(client.authorization.expose(), expected.as_bytes());
        let form = "grant_type=client_credentials&audience=https%3A%2F%2Fx%2F%3Fa%3Db&scope=r%3Ae+w";
        assert_eq!(client.form(), form);
        assert!(!format!("{client:?}").contains("Basic"));
    }
}
