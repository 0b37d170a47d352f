//! What clients send to the token and revocation endpoints, and who they prove to be.

use axum::extract::{FromRequest as _, Request};
use axum::http::{HeaderMap, header};
use axum::{Form, Json};
use serde::Deserialize;

use super::super::encoding::{form_decoded, from_basic};
use super::super::tenant::{ClientAuthentication, Tenant};
use super::refusal::Refusal;

/// The parameters, in a form or as JSON.
#[derive(Deserialize)]
pub(super) struct Parameters {
    pub(super) grant_type: Option<String>,
    pub(super) client_id: Option<String>,
    client_secret: Option<String>,
    /// The API's identifier; RFC 8707 calls it `resource`.
    #[serde(alias = "resource")]
    pub(super) audience: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) code: Option<String>,
    pub(super) redirect_uri: Option<String>,
    pub(super) code_verifier: Option<String>,
    pub(super) device_code: Option<String>,
    pub(super) refresh_token: Option<String>,
    /// What is to be revoked.
    pub(super) token: Option<String>,
    #[serde(skip)]
    pub(super) basic: Option<Credentials>,
}

/// Client id and secret; nothing where the header does not say them.
type Credentials = Option<(String, String)>;

impl Parameters {
    pub(super) async fn read(request: Request) -> Result<Self, Refusal> {
        let basic = basic_credentials(request.headers());
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let is_json = media_type.is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
        let read = if is_json {
            let json = Json::<Self>::from_request(request, &()).await;
            json.ok().map(|Json(asked)| asked)
        } else {
            let form = Form::<Self>::from_request(request, &()).await;
            form.ok().map(|Form(asked)| asked)
        };
        let why = "the body is neither a form nor JSON with each parameter once";
        Ok(Self { basic, ..read.ok_or(Refusal("invalid_request", why))? })
    }

    /// The client that the request proves to come from.
    pub(super) fn authenticate(&self, tenant: &Tenant) -> Result<String, Refusal> {
        let (client_id, secret) = match (&self.basic, &self.client_id, &self.client_secret) {
            (Some(_), _, Some(_)) => {
                return Err(Refusal("invalid_request", "the client may authenticate in one way only"));
            }
            (Some(Some((id, _))), Some(other), None) if id != other => {
                return Err(Refusal("invalid_request", "client_id is not the one in the credentials"));
            }
            (Some(Some((id, secret))), _, None) => (id, Some(secret)),
            (None, Some(id), secret) => (id, secret.as_ref()),
            (Some(None), ..) | (None, None, _) => {
                return Err(Refusal("invalid_client", "credentials are missing"));
            }
        };
        let way = if self.basic.is_some() { ClientAuthentication::Basic } else { ClientAuthentication::Post };
        match tenant.clients.get(client_id) {
            Some(client) if secret.is_some() && client.authentication.is_some_and(|own| own != way) => {
                Err(Refusal("invalid_client", "this is not the client's authentication method"))
            }
            Some(client) if client.secret.as_ref() == secret => Ok(client_id.clone()),
            Some(_) if secret.is_none() => Err(Refusal("invalid_client", "credentials are missing")),
            _ => Err(Refusal("invalid_client", "the credentials are wrong")),
        }
    }
}

fn basic_credentials(headers: &HeaderMap) -> Option<Credentials> {
    let header = headers.get(header::AUTHORIZATION)?;
    let read = header.to_str().ok().and_then(|text| {
        let (scheme, credentials) = text.split_once(' ')?;
        let is_basic = scheme.eq_ignore_ascii_case("basic");
        let (id, secret) = is_basic.then(|| from_basic(credentials)).flatten()?;
        Some((form_decoded(&id), form_decoded(&secret)))
    });
    Some(read)
}
