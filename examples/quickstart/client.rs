//! The client's side: getting tokens and calling the API.

use std::error::Error;

use reqwest::Client;
use serde_json::{Value, json};
use tower_bearer::testing::AuthorizationServer;

use super::{AUDIENCE, CLIENT, SECRET};

/// Status of an answer and its challenge.
pub(crate) type Answer = (u16, String);

/// A client of the authorization server and of the calendar.
pub(crate) struct Caller {
    http: Client,
    token_url: String,
    events: String,
}

impl Caller {
    #[expect(clippy::disallowed_methods, reason = "a client beside the crate, not part of it")]
    pub(crate) fn new(issuer: &AuthorizationServer, api: &str) -> Self {
        Self { http: Client::new(), token_url: issuer.token_url(), events: format!("{api}/events") }
    }

    /// An access token by client credentials (RFC 6749 §4.4).
    pub(crate) async fn token(&self, scope: &str) -> Result<String, Box<dyn Error>> {
        let question = json!({
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "audience": AUDIENCE,
            "scope": scope,
        });
        let request = self.http.post(&self.token_url).header("content-type", "application/json");
        let answer = request.body(question.to_string()).send().await?;
        let body: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let token = body.get("access_token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| format!("no token: {body}").into())
    }

    pub(crate) async fn read(&self, token: &str) -> Result<Answer, Box<dyn Error>> {
        answer(self.http.get(&self.events).bearer_auth(token).send().await?)
    }

    pub(crate) async fn write(&self, token: &str) -> Result<Answer, Box<dyn Error>> {
        answer(self.http.post(&self.events).bearer_auth(token).send().await?)
    }

    pub(crate) async fn read_without_token(&self) -> Result<Answer, Box<dyn Error>> {
        answer(self.http.get(&self.events).send().await?)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an answer is read once")]
fn answer(response: reqwest::Response) -> Result<Answer, Box<dyn Error>> {
    let challenge = match response.headers().get("www-authenticate") {
        Some(challenge) => challenge.to_str()?.to_owned(),
        None => String::new(),
    };
    Ok((response.status().as_u16(), challenge))
}
