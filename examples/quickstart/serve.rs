//! `--serve`: keeps everything running for a person with curl.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tower_bearer::testing::AuthorizationServer;

use super::{AUDIENCE, CLIENT, SECRET};

/// Prints what to try, and returns on ctrl-c.
pub(crate) async fn until_interrupted(issuer: &AuthorizationServer, api: &str) -> Result<(), Box<dyn Error>> {
    let control = control(issuer.clone()).await?;
    let token_url = issuer.token_url();
    println!(
        "
Running until ctrl-c. To try, in another shell:

  TOKEN=$(curl -s {token_url} -d grant_type=client_credentials -d client_id={CLIENT} \\
      --data-urlencode 'client_secret={SECRET}' -d audience={AUDIENCE} \\
      | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
  curl -i {api}/events -H \"Authorization: Bearer $TOKEN\"

  curl -X POST {control}/revoke -d \"$TOKEN\"       # this token
  curl -X POST {control}/delete-grant             # everything the client has
  curl -X POST {control}/grant                    # lets it get tokens again
  curl -X POST {control}/rotate-keys              # new tokens have a new kid
  curl {feed}                 # what the API is told
",
        feed = issuer.feed_url(),
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// What an administrator of the authorization server would do, on a port of its own.
async fn control(issuer: AuthorizationServer) -> Result<String, Box<dyn Error>> {
    let grant = Arc::new(Mutex::new(granted(&issuer)));
    let app = Router::new()
        .route("/revoke", post(revoke))
        .route("/delete-grant", post(delete_grant))
        .route("/grant", post(grant_again))
        .route("/rotate-keys", post(rotate_keys))
        .with_state(Control { issuer, grant });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

#[derive(Clone)]
struct Control {
    issuer: AuthorizationServer,
    /// The id of the client's present grant.
    grant: Arc<Mutex<String>>,
}

fn granted(issuer: &AuthorizationServer) -> String {
    issuer.grant(CLIENT, AUDIENCE, ["read:events", "write:events"])
}

async fn revoke(State(control): State<Control>, token: String) -> String {
    match control.issuer.revoke_jwt(token.trim()) {
        Some(entry) => format!("{entry}\n"),
        None => "that is no token with a jti\n".to_owned(),
    }
}

async fn delete_grant(State(control): State<Control>) -> String {
    format!("{}\n", control.issuer.delete_grant(&control.grant.lock().await))
}

async fn grant_again(State(control): State<Control>) -> String {
    let mut grant = control.grant.lock().await;
    *grant = granted(&control.issuer);
    format!("{grant}\n")
}

async fn rotate_keys(State(control): State<Control>) -> String {
    match control.issuer.rotate_keys().await {
        Ok(()) => "new keys\n".to_owned(),
        Err(error) => format!("{error}\n"),
    }
}
