//! Reads a Keycloak realm's not-before and those of its clients from the admin API. For `tower_bearer::Polled`.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tower_bearer::clock::UnixTime;
use tower_bearer::{Pulled, Revocation, RevocationSource, SourceError};

const CLIENTS_A_PAGE: usize = 100;

/// Asks as a service account with the roles `view-realm` and `view-clients` of `realm-management`.
pub(crate) struct NotBefore {
    http: Client,
    token_endpoint: String,
    realm: String,
    client: (String, String),
}

impl NotBefore {
    /// `server` is `https://keycloak.example`. `http` should have a timeout, and follow no redirect.
    pub(crate) fn new(http: Client, server: &str, realm: &str, client: (&str, &str)) -> Self {
        Self {
            http,
            token_endpoint: format!("{server}/realms/{realm}/protocol/openid-connect/token"),
            realm: format!("{server}/admin/realms/{realm}"),
            client: (client.0.to_owned(), client.1.to_owned()),
        }
    }
}

impl RevocationSource for NotBefore {
    async fn pull(&mut self, _: Option<&str>) -> Result<Pulled, SourceError> {
        let (id, secret) = &self.client;
        let question = self.http.post(&self.token_endpoint).basic_auth(id, Some(secret));
        let question = question.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let granted = answer(question.body("grant_type=client_credentials")).await?;
        let token = granted["access_token"].as_str().ok_or_else(|| SourceError::new("no access token"))?;
        let ask = async |url: String| answer(self.http.get(url).bearer_auth(token)).await;

        let mut cut_offs = Vec::new();
        cut_offs.extend(not_before(&ask(self.realm.clone()).await?)?);
        for first in (0..).step_by(CLIENTS_A_PAGE) {
            let url = format!("{}/clients?first={first}&max={CLIENTS_A_PAGE}", self.realm);
            let page = ask(url).await?;
            let clients = page.as_array().ok_or_else(|| SourceError::new("clients: not a list"))?;
            for client in clients {
                let id =
                    client["clientId"].as_str().ok_or_else(|| SourceError::new("a client without id"))?;
                cut_offs.extend(not_before(client)?.map(|cut_off| cut_off.claim("client_id", id)));
            }
            if clients.len() < CLIENTS_A_PAGE {
                break;
            }
        }
        Ok(Pulled::whole(cut_offs))
    }
}

/// Keycloak refuses `iat < notBefore`, a cut-off `iat <= issued_before`. Zero says that there is none; an account that may
/// not read it is not told, which must not be taken for zero.
fn not_before(about: &Value) -> Result<Option<Revocation>, SourceError> {
    let seconds = about["notBefore"].as_i64().ok_or_else(|| SourceError::new("notBefore is not told"))?;
    Ok((seconds > 0).then(|| Revocation::cut_off(UnixTime::from_secs(seconds - 1))))
}

async fn answer(question: RequestBuilder) -> Result<Value, SourceError> {
    let response = question.send().await.map_err(|_| SourceError::new("no answer"))?;
    if !response.status().is_success() {
        return Err(SourceError::new(format!("status {}", response.status())));
    }
    let body = response.bytes().await.map_err(|_| SourceError::new("the answer broke off"))?;
    serde_json::from_slice(&body).map_err(|_| SourceError::new("the answer is not JSON"))
}
