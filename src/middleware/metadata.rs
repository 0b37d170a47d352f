//! Protected resource metadata (RFC 9728): where a client that was refused learns whom to ask for a token.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Map, Value};
use tower_service::Service;
use url::Url;

use crate::scope::{ScopeError, ScopeToken};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// What this resource server says of itself: its identifier, and what a person may want to know.
///
/// Whom to ask for tokens, and how to send them, is taken from the resource server's own settings: what is advertised is
/// what is enforced.
#[derive(Clone, Debug)]
pub struct ProtectedResource {
    id: String,
    scopes: Vec<String>,
    name: Option<String>,
    documentation: Option<String>,
}

/// Why a protected resource cannot be described as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResourceError {
    #[error("it is not an https URL without a fragment (RFC 9728 §1.2)")]
    NotAResource,
    #[error("`{scope}`: {error}")]
    Scope { scope: String, error: ScopeError },
    #[error("offline_access is between client and authorization server, and none of a resource's scopes")]
    OfflineAccess,
}

impl ProtectedResource {
    /// The resource with this identifier: the URL that clients use, to the last byte (RFC 9728 §3.3). Authorization
    /// servers that follow RFC 8707 put it into `aud`.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), scopes: Vec::new(), name: None, documentation: None }
    }

    /// The scopes that its routes ask for, `scopes_supported`.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Its name for people, `resource_name`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A page for developers, `resource_documentation`.
    #[must_use]
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The document and where it belongs.
    pub(crate) fn describe<'a>(
        &self,
        issuers: impl IntoIterator<Item = &'a str>,
        permit: impl Fn(&Url) -> bool,
    ) -> Result<ResourceMetadata, ResourceError> {
        let mut url = Url::parse(&self.id).map_err(|_| ResourceError::NotAResource)?;
        let credentials = !url.username().is_empty() || url.password().is_some();
        if !permit(&url) || url.fragment().is_some() || credentials {
            return Err(ResourceError::NotAResource);
        }
        for scope in &self.scopes {
            if scope == "offline_access" {
                return Err(ResourceError::OfflineAccess);
            }
            ScopeToken::try_from(scope.as_str())
                .map_err(|error| ResourceError::Scope { scope: scope.clone(), error })?;
        }
        // RFC 9728 §3.1: between host and path; a lone slash is no path.
        let path = url.path();
        let path = format!("{WELL_KNOWN}{}", path.strip_suffix('/').unwrap_or(path));
        url.set_path(&path);

        let mut document = Map::new();
        document.insert("resource".to_owned(), self.id.as_str().into());
        document.insert("authorization_servers".to_owned(), issuers.into_iter().collect());
        document.insert("bearer_methods_supported".to_owned(), Value::from(vec!["header"]));
        if !self.scopes.is_empty() {
            document.insert("scopes_supported".to_owned(), self.scopes.clone().into());
        }
        let texts = [("resource_name", &self.name), ("resource_documentation", &self.documentation)];
        for (member, text) in texts {
            if let Some(text) = text {
                document.insert(member.to_owned(), text.as_str().into());
            }
        }
        Ok(ResourceMetadata {
            path: path.into(),
            url: url.as_str().into(),
            json: Value::from(document).to_string().into(),
        })
    }
}

impl<T: Into<String>> From<T> for ProtectedResource {
    fn from(id: T) -> Self {
        Self::new(id)
    }
}

/// A service for the metadata document: made by `ResourceServer::resource_metadata`, to be mounted at
/// [`ResourceMetadata::path`], unprotected.
#[derive(Clone, Debug)]
pub struct ResourceMetadata {
    path: Arc<str>,
    url: Arc<str>,
    json: Arc<str>,
}

impl ResourceMetadata {
    /// Where clients look for it (RFC 9728 §3.1), such as `/.well-known/oauth-protected-resource/mcp`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its whole URL, as challenges name it in `resource_metadata` (RFC 9728 §5.1).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The document.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    fn answer(&self, method: &Method) -> Response<String> {
        let mut response = Response::new(String::new());
        let headers = response.headers_mut();
        // Browsers' clients read it from other origins; it holds nothing secret.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        match *method {
            Method::GET | Method::HEAD => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
                if *method == Method::GET {
                    *response.body_mut() = self.json.to_string();
                }
            }
            Method::OPTIONS => {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
                *response.status_mut() = StatusCode::NO_CONTENT;
            }
            _ => {
                headers.insert(ALLOW, METHODS);
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            }
        }
        response
    }
}

impl<B> Service<Request<B>> for ResourceMetadata {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(resource: impl Into<ProtectedResource>) -> Result<ResourceMetadata, ResourceError> {
        resource.into().describe(["https://as.example/"], |url| url.scheme() == "https")
    }

    /// PR-01.
    #[test]
    fn the_well_known_part_goes_between_host_and_path() {
        let table = [
            ("https://h", "https://h/.well-known/oauth-protected-resource"),
            ("https://h/", "https://h/.well-known/oauth-protected-resource"),
            ("https://h/mcp", "https://h/.well-known/oauth-protected-resource/mcp"),
            ("https://h:8443/a/b/", "https://h:8443/.well-known/oauth-protected-resource/a/b"),
            ("https://h/mcp?tenant=1", "https://h/.well-known/oauth-protected-resource/mcp?tenant=1"),
        ];
        for (id, url) in table {
            assert_eq!(describe(id).unwrap().url(), url);
        }
    }

    /// PR-02, PR-03, PR-06: nothing empty, the identifier to the byte, and only what is enforced.
    #[test]
    fn the_document_says_what_is_enforced() {
        let bare = describe("https://h").unwrap();
        let expected = r#"{"authorization_servers":["https://as.example/"],"bearer_methods_supported":["header"],"resource":"https://h"}"#;
        assert_eq!(bare.json(), expected);
        let full = ProtectedResource::new("https://h/mcp")
            .scopes(["a", "b"])
            .name("Calendar")
            .documentation("https://d");
        let document: Value = serde_json::from_str(describe(full).unwrap().json()).unwrap();
        assert_eq!(document["scopes_supported"], serde_json::json!(["a", "b"]));
        assert_eq!(
            (&document["resource_name"], &document["resource_documentation"]),
            (&"Calendar".into(), &"https://d".into())
        );
    }

    /// PR-03, PR-10.
    #[test]
    fn what_is_no_resource_is_refused() {
        for id in ["", "h", "http://h", "https://h/#f", "urn:x"] {
            assert_eq!(describe(id).unwrap_err(), ResourceError::NotAResource, "{id}");
        }
        let scoped = |scope: &str| describe(ProtectedResource::new("https://h").scopes([scope])).unwrap_err();
        assert_eq!(scoped("offline_access"), ResourceError::OfflineAccess);
        assert!(matches!(scoped("a b"), ResourceError::Scope { .. }));
    }

    /// PR-02, PR-08.
    #[test]
    fn it_is_served_to_anybody() {
        let metadata = describe("https://h").unwrap();
        let table = [
            (Method::GET, 200, true),
            (Method::HEAD, 200, false),
            (Method::OPTIONS, 204, false),
            (Method::POST, 405, false),
        ];
        for (method, status, body) in table {
            let response = metadata.answer(&method);
            assert_eq!((response.status().as_u16(), !response.body().is_empty()), (status, body), "{method}");
            assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        }
        assert_eq!(metadata.answer(&Method::GET).headers()[CONTENT_TYPE], "application/json");
    }
}
