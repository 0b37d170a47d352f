//! An MCP endpoint as a resource server, and a client's first visit to it: refused, told whom to ask, let in.
//!
//! ```text
//! cargo run --example mcp      # exits with 1 if a step comes out wrong
//! ```

use std::error::Error;
use std::process::ExitCode;

use axum::routing::post;
use axum::{Json, Router};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_bearer::testing::AuthorizationServer;
use tower_bearer::{AccessToken, Feed, ProtectedResource, ResourceServer, scope};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    match visit().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The server: JSON-RPC behind the layer, and the metadata document beside it.
async fn serve(issuer: &AuthorizationServer) -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);
    let api = ResourceServer::builder()
        .issuer(issuer.issuer())
        .audience(&resource)
        .revocation(Feed::new(issuer.feed_url()))
        .allow_loopback_http()
        .resource(ProtectedResource::new(&resource).scopes(["tools:call"]).name("A small MCP server"))
        .start()
        .await?;
    let metadata = api.resource_metadata().ok_or("a resource was described")?;
    let path = metadata.path().to_owned();
    let app = Router::new()
        .route("/mcp", post(call).layer(api.protect(scope("tools:call"))))
        .route_service(&path, metadata);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(resource)
}

async fn call(token: AccessToken, Json(request): Json<Value>) -> Json<Value> {
    let caller = token.subject().unwrap_or_default().into_owned();
    let id = request.get("id").cloned().unwrap_or_default();
    Json(json!({"jsonrpc": "2.0", "id": id, "result": {"caller": caller}}))
}

/// The client: it knows the URL of the endpoint and nothing else.
#[expect(clippy::disallowed_methods, reason = "a client beside the crate, not part of it")]
async fn visit() -> Outcome<()> {
    let issuer = AuthorizationServer::start().await?;
    let endpoint = serve(&issuer).await?;
    let http = Client::new();
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call"}).to_string();
    let ask = || http.post(&endpoint).header("content-type", "application/json").body(ask.clone());

    let refused = ask().send().await?;
    let challenge = refused.headers().get("www-authenticate").ok_or("no challenge")?.to_str()?.to_owned();
    println!("{} {challenge}", refused.status());
    let parameter = challenge.split_once("resource_metadata=\"").ok_or("no metadata named")?.1;
    let url = parameter.split('"').next().unwrap_or_default();

    let metadata: Value = serde_json::from_slice(&http.get(url).send().await?.bytes().await?)?;
    println!("{url}\n  {metadata}");
    if metadata.get("resource").and_then(Value::as_str) != Some(&endpoint) {
        return Err("the metadata speak of another resource".into());
    }
    let server =
        metadata.pointer("/authorization_servers/0").and_then(Value::as_str).ok_or("nobody to ask")?;
    println!("whom to ask: {server}");

    // Registration and login are between client and authorization server.
    issuer.add_client("agent", "secret");
    issuer.grant("agent", &endpoint, ["tools:call"]);
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "client_credentials"),
            ("client_id", "agent"),
            ("client_secret", "secret"),
        ])
        .extend_pairs([("resource", endpoint.as_str()), ("scope", "tools:call")])
        .finish();
    let content = "application/x-www-form-urlencoded";
    let question = http.post(issuer.token_url()).header("content-type", content).body(form);
    let answer: Value = serde_json::from_slice(&question.send().await?.bytes().await?)?;
    let token =
        answer.get("access_token").and_then(Value::as_str).ok_or_else(|| format!("no token: {answer}"))?;

    let admitted = ask().bearer_auth(token).send().await?;
    let status = admitted.status();
    println!("{status} {}", String::from_utf8_lossy(&admitted.bytes().await?));
    if refused.status() == 401 && status == 200 { Ok(()) } else { Err("a step came out wrong".into()) }
}
