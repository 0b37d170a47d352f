//! `resource`: what this API says of itself (RFC 9728), so that a client that was refused finds out whom to ask.

use serde::Deserialize;
use tower_bearer::ProtectedResource;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resource {
    url: String,
    #[serde(default)]
    scopes: Vec<String>,
    name: Option<String>,
    documentation: Option<String>,
}

impl Resource {
    pub(crate) fn described(&self) -> ProtectedResource {
        let resource = ProtectedResource::new(&self.url).scopes(&self.scopes);
        let resource = match &self.name {
            Some(name) => resource.name(name),
            None => resource,
        };
        match &self.documentation {
            Some(url) => resource.documentation(url),
            None => resource,
        }
    }
}
