//! docs/authorization-servers/glewlwyd.md: a real glewlwyd, where it is installed. It is written in C, issues JWTs by RFC 9068 and
//! revokes them by RFC 7009; the layer learns that from its database.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use serde_json::{Value, json};
use tower_bearer::{Builder, Complete, Polled, Profile, RejectionKind, ResourceServer};

use crate::api::{accepts, comes_to_refuse, refuses, within};
use crate::driver;
use crate::process::hold;

#[path = "../../docs/authorization-servers/glewlwyd/disabled.rs"]
mod disabled;
use disabled::Disabled;

/// What Debian's packages bring along.
const NEEDED: [&str; 4] = [
    "/usr/bin/glewlwyd",
    "/usr/bin/sqlite3",
    "/usr/lib/glewlwyd/plugin/libprotocol_oidc.so",
    "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3",
];
const REQUIRE: &str = "TOWER_BEARER_REQUIRE_GLEWLWYD";
const RESOURCE: &str = "https://api.example.test/";
/// What stands in `aud` where no resource was asked for: the scopes.
const SCOPE: &str = "read:events";

/// As the page has it.
fn glewlwyd(issuer: &str, audience: &str, database: Disabled) -> Builder<Complete> {
    ResourceServer::builder()
        .issuer(issuer) // as in the plugin's settings
        .audience(audience)
        .profile(Profile::Rfc9068)
        .revocation(Polled::new("glewlwyd", database))
}

struct Server {
    http: reqwest::Client,
    base: String,
    folder: PathBuf,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// None where it is not installed and nobody insists.
    async fn start() -> Option<Self> {
        if let Some(missing) = NEEDED.into_iter().find(|path| !Path::new(path).exists()) {
            assert!(
                std::env::var_os(REQUIRE).is_none_or(|value| value != "1"),
                "{REQUIRE}=1, but no {missing}"
            );
            let _ = writeln!(std::io::stderr(), "SKIPPED: glewlwyd of tests/real_as.rs: no {missing}");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("glewlwyd-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let database = folder.join("database");
        let tables =
            Command::new("sqlite3").arg(&database).stdin(fs::File::open(NEEDED[3]).unwrap()).status();
        assert!(tables.unwrap().success());
        // It cannot be told to take a free port and say which.
        let held = hold(0);
        let port = held.local_addr().unwrap().port();
        let settings = folder.join("glewlwyd.conf");
        fs::write(&settings, configuration(port, &database)).unwrap();
        let child = Command::new("glewlwyd")
            .arg(format!("--config-file={}", settings.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server =
            Self { http: driver::http(), base: format!("http://127.0.0.1:{port}/api"), folder, child };
        within("glewlwyd answers", async || {
            server.http.get(format!("{}/auth/", server.base)).send().await.ok()
        })
        .await;
        server.set_up().await;
        Some(server)
    }

    fn issuer(&self) -> String {
        format!("{}/oidc", self.base)
    }

    fn database(&self) -> Disabled {
        Disabled { database: self.folder.join("database"), plugin: "oidc", lifetime: 3600 }
    }

    /// What an administrator does once: a plugin with a key, a scope, a client and a user.
    async fn set_up(&self) {
        let admin = json!({"username": "admin", "password": "password"});
        let answer = self.post("auth/", "", &admin).await;
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let key = rcgen::KeyPair::generate().unwrap();
        let plugin = json!({"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": true, "parameters": {
            "iss": self.issuer(), "jwt-type": "ecdsa", "jwt-key-size": "256", "key": key.serialize_pem(),
            "cert": key.public_key_pem(), "access-token-duration": 3600, "refresh-token-duration": 86400,
            "code-duration": 60, "refresh-token-rolling": true, "allow-non-oidc": true,
            "auth-type-code-enabled": true, "auth-type-token-enabled": false, "auth-type-id-token-enabled": false,
            "auth-type-password-enabled": true, "auth-type-client-enabled": true, "auth-type-refresh-enabled": true,
            "jwks-show": true, "subject-type": "public", "introspection-revocation-allowed": true,
            "introspection-revocation-allow-target-client": true, "resource-allowed": true,
            "resource-scope": {SCOPE: [RESOURCE]}, "resource-scope-and-client-property": false}});
        let scope = json!({"name": SCOPE, "display_name": "events", "description": "events",
            "password_required": true, "scheme": {}});
        let client = json!({"client_id": "app", "name": "app", "confidential": true, "client_secret": "app-secret",
            "password": "app-secret", "authorization_type": ["client_credentials", "password", "refresh_token"],
            "redirect_uri": ["http://127.0.0.1/callback"], "scope": [SCOPE], "enabled": true,
            "token_endpoint_auth_method": ["client_secret_basic"]});
        let user = json!({"username": "user-1", "name": "User", "password": "user-secret", "scope": [SCOPE],
            "enabled": true});
        for (path, body) in [("mod/plugin/", plugin), ("scope/", scope), ("client/", client), ("user/", user)]
        {
            self.post(path, &cookie, &body).await;
        }
    }

    async fn post(&self, path: &str, cookie: &str, body: &Value) -> reqwest::Response {
        let request = self.http.post(format!("{}/{path}", self.base)).header(COOKIE, cookie);
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response
    }

    /// What the app asks of one of its endpoints.
    async fn app(&self, endpoint: &str, form: &[(&str, &str)]) -> Value {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            self.http.post(format!("{}/{endpoint}", self.issuer())).basic_auth("app", Some("app-secret"));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{endpoint}");
        serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default()
    }

    async fn machine(&self) -> String {
        let form = [("grant_type", "client_credentials"), ("scope", SCOPE), ("resource", RESOURCE)];
        text(&self.app("token", &form).await, "access_token")
    }

    async fn is_active(&self, token: &str) -> bool {
        self.app("introspect", &[("token", token)]).await["active"].as_bool().unwrap()
    }
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().expect(name).to_owned()
}

fn configuration(port: u16, database: &Path) -> String {
    format!(
        r#"port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="NONE"
cookie_secure=0
session_expiration=600
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database={{ type="sqlite3"; path="{}"; }};
"#,
        database.display()
    )
}

#[tokio::test]
async fn glewlwyd_s_tokens_are_admitted_until_it_has_disabled_them() {
    let Some(server) = Server::start().await else { return };
    let start = async |audience| {
        let settings = glewlwyd(&server.issuer(), audience, server.database());
        settings.allow_loopback_http().start().await.unwrap()
    };
    let (machines, users) = (start(RESOURCE).await, start(SCOPE).await);
    let (ended, other) = (server.machine().await, server.machine().await);
    let token = accepts(&machines, &ended).await;
    assert_eq!((token.client_id().as_deref(), token.string("aud").as_deref()), (Some("app"), Some(RESOURCE)));
    assert!(token.has_scope(SCOPE));
    accepts(&machines, &other).await;
    refuses(&users, &other, RejectionKind::WrongAudience).await;

    let login =
        [("grant_type", "password"), ("scope", SCOPE), ("username", "user-1"), ("password", "user-secret")];
    let session = server.app("token", &login).await;
    let (user, refresh) = (text(&session, "access_token"), text(&session, "refresh_token"));
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*refresh)];
    let refreshed = text(&server.app("token", &form).await, "access_token");
    for token in [&user, &refreshed] {
        let token = accepts(&users, token).await;
        assert_eq!(token.string("aud").as_deref(), Some(SCOPE), "no resource was asked for");
    }
    refuses(&users, &refresh, RejectionKind::MalformedToken).await;

    for (api, token) in [(&machines, &ended), (&users, &user)] {
        server.app("revoke", &[("token", token)]).await;
        assert!(!server.is_active(token).await);
        let delay = comes_to_refuse(api, token).await;
        println!("RFC 7009 on an access token: refused {delay:?} after the answer, polling every second");
    }
    accepts(&machines, &other).await;
    accepts(&users, &refreshed).await;

    // As the page says: the refresh token is ended, and its access tokens are not.
    server.app("revoke", &[("token", &refresh), ("token_type_hint", "refresh_token")]).await;
    assert!(server.is_active(&refreshed).await, "what the page says of this version");
    accepts(&users, &refreshed).await;
    // Whoever starts later knows all of it.
    refuses(&start(RESOURCE).await, &ended, RejectionKind::Revoked).await;
}
