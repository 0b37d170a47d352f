//! Keys in a file that somebody replaces.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tower_bearer::clock::{Clock, ManualClock, SystemClock};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{Algorithm, KeysHealth, RejectionKind as Kind, ResourceServer, any_token};

use super::folder::Folder;
use super::world::{Answer, PATIENCE, ask, builder, clock, issuer, request, token};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// The folder that the file is in.
struct Dir(Folder);

impl Dir {
    fn new() -> Self {
        Self(Folder::new())
    }

    fn file(&self) -> PathBuf {
        self.0.join("keys")
    }

    fn replace(&self, content: &str) {
        self.0.put("keys", content);
    }
}

/// A resource server that knows its issuer by a file only.
struct World {
    issuer: AuthorizationServer,
    clock: ManualClock,
    dir: Dir,
    api: ResourceServer,
}

impl World {
    /// The file holds what `content` makes of the issuer's set.
    async fn new(content: impl Fn(&str) -> String) -> Self {
        let (dir, clock) = (Dir::new(), clock());
        let issuer = issuer(&clock).await;
        dir.replace(&content(&set(&issuer).await));
        let api = builder(&issuer, &clock).keys_file(dir.file()).without_revocation().start().await.unwrap();
        Self { issuer, clock, dir, api }
    }

    async fn ask(&self, token: &str) -> Answer {
        ask(&self.api, any_token(), request(token)).await
    }

    async fn status(&self, token: &str) -> u16 {
        self.ask(token).await.status
    }

    fn keys(&self) -> KeysHealth {
        self.api.health().issuers[0].keys.clone()
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let patience = SystemClock::new();
        while !condition(self) {
            assert!(patience.uptime() < PATIENCE, "waited in vain: {:?}", self.api.health());
            patience.sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets the time of the next look come.
    async fn pass(&self, time: Duration) {
        self.until(|world| world.clock.sleepers() > 0).await;
        self.clock.advance(time);
    }

    /// Waits until the next look has been a good one.
    async fn look(&self) {
        self.pass(LOOK).await;
        self.until(|world| world.keys().age == Some(0.0)).await;
    }
}

/// What the issuer publishes.
#[expect(clippy::disallowed_methods, reason = "a test's own client")]
async fn set(issuer: &AuthorizationServer) -> String {
    let body = reqwest::Client::new().get(issuer.jwks_url()).send().await.unwrap().bytes().await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The P-256 keys of a set as PEM (RFC 5480 §2).
fn pem(set: &str) -> String {
    const BEFORE_THE_POINT: &[u8] =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
    let set: Value = serde_json::from_str(set).unwrap();
    let decode = |text: &Value| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text.as_str().unwrap()).unwrap();
    let key = |key: &Value| {
        let der = [BEFORE_THE_POINT, &decode(&key["x"]), &decode(&key["y"])].concat();
        let body = base64_simd::STANDARD.encode_to_string(der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    };
    set["keys"].as_array().unwrap().iter().map(key).collect()
}

fn long() -> Token {
    token().lifetime(Duration::from_secs(86_400))
}

#[tokio::test]
async fn a_new_file_is_found_by_the_next_look() {
    for form in [str::to_owned, pem] {
        let world = World::new(form).await;
        let old = world.issuer.mint(token());
        assert_eq!(world.status(&old).await, 200);
        let requests = world.issuer.requests(&world.issuer.metadata_url());
        world.issuer.rotate_keys().await.unwrap();
        let new = world.issuer.mint(token());
        world.dir.replace(&form(&set(&world.issuer).await));
        world.look().await;
        assert_eq!(world.status(&new).await, 200);
        assert_eq!(world.status(&old).await, 401);
        assert_eq!(
            (requests, world.issuer.requests(&world.issuer.metadata_url())),
            (0, 0),
            "nobody is asked"
        );
    }
}

/// No replica can be behind: one look settles what is gone.
#[tokio::test]
async fn a_key_that_was_taken_out_is_refused_without_another_look() {
    let world = World::new(str::to_owned).await;
    let old = world.issuer.mint(token());
    world.issuer.rotate_keys().await.unwrap();
    world.dir.replace(&set(&world.issuer).await);
    world.look().await;
    fs::remove_file(world.dir.file()).unwrap();
    for _ in 0..3 {
        assert_eq!(world.ask(&old).await.rejection.unwrap().kind(), Kind::UnknownKey);
    }
    assert_eq!(world.keys().last_error, None, "a look would have missed the file");
}

/// No time passes here: a token whose key is not known rings.
#[tokio::test]
async fn a_token_of_a_new_key_causes_a_look_at_once() {
    for form in [str::to_owned, pem] {
        let world = World::new(form).await;
        world.issuer.rotate_keys().await.unwrap();
        world.dir.replace(&form(&set(&world.issuer).await));
        assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
    }
}

/// From ids to none: the key is there, under no id.
#[tokio::test]
async fn the_form_may_change() {
    let world = World::new(str::to_owned).await;
    for form in [pem, str::to_owned] {
        world.issuer.rotate_keys().await.unwrap();
        world.dir.replace(&form(&set(&world.issuer).await));
        assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
        world.look().await;
    }
}

/// What a token calls its key says nothing about keys without ids, also where none is of its algorithm.
#[tokio::test]
async fn a_key_of_another_type_is_looked_for_too() {
    let world = World::new(|_| include_str!("../../src/keys/pem/ed25519.pem").to_owned()).await;
    world.dir.replace(&pem(&set(&world.issuer).await));
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
}

#[tokio::test]
async fn made_up_keys_cause_one_look_in_a_while() {
    for form in [str::to_owned, pem] {
        let world = World::new(form).await;
        let forged = world.issuer.mint(token().signed_by_unknown_key().header("kid", "made-up"));
        let good = world.issuer.mint(token());
        assert_eq!(world.status(&forged).await, 401, "proven by a look");
        let answer = world.ask(&forged).await;
        assert_eq!((answer.status, answer.rejection.unwrap().kind()), (503, Kind::KeysPending));
        assert!(answer.retry_after.unwrap() <= 5);
        assert_eq!(world.status(&good).await, 200);
    }
}

/// JK-06, BCP-02: by no id and under no algorithm but their own.
#[tokio::test]
async fn keys_in_pem_fit_tokens_with_any_kid_or_none() {
    let clock = clock();
    let server = issuer(&clock).await;
    let text = pem(&set(&server).await);
    let dir = Dir::new();
    dir.replace(&text);
    let from_memory = builder(&server, &clock).keys(text.as_str()).without_revocation();
    let from_file = builder(&server, &clock).keys_file(dir.file()).without_revocation();
    for api in [from_memory.start().await.unwrap(), from_file.start().await.unwrap()] {
        let status = async |token: Token| ask(&api, any_token(), request(&server.mint(token))).await.status;
        assert_eq!(status(token()).await, 200);
        assert_eq!(status(token().header("kid", "whatever")).await, 200);
        assert_eq!(status(token().without_header("kid")).await, 200);
        assert_eq!(status(token().signed_by_unknown_key().header("kid", "whatever")).await, 401);
        let hmac = || token().algorithm(Algorithm::HS256).header("kid", "whatever");
        assert_eq!(status(hmac().signed_with_secret(text.as_bytes())).await, 401);
        assert_eq!(status(hmac().signed_with_secret(text.trim_end().as_bytes())).await, 401);
    }
}

#[tokio::test]
async fn a_bad_file_keeps_the_last_good_keys_and_is_said() {
    let world = World::new(str::to_owned).await;
    let good = world.issuer.mint(long());
    let content = fs::read_to_string(world.dir.file()).unwrap();
    let half = &content[..content.len() / 2];
    let private = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
    let large = format!("{content}{}", " ".repeat(512 * 1024));
    let bad = [
        (half, "not a JWK set"),
        ("", "not a JWK set"),
        (r#"{"keys":[]}"#, "no usable key"),
        (private, "private key"),
        (&large, "larger than 524288 bytes"),
    ];
    for (content, words) in bad {
        world.dir.replace(content);
        world.pass(LOOK).await;
        world.until(|world| world.keys().last_error.is_some_and(|error| error.contains(words))).await;
        let error = world.keys().last_error.unwrap();
        assert!(error.contains(world.dir.file().to_str().unwrap()) && !error.contains("hunter2"), "{error}");
        assert_eq!(world.status(&good).await, 200, "{words}");
    }
    fs::remove_file(world.dir.file()).unwrap();
    world.pass(LOOK).await;
    world.until(|world| world.keys().last_error.is_some_and(|error| error.contains("No such file"))).await;
    assert_eq!(world.status(&good).await, 200, "gone");
    fs::create_dir(world.dir.file()).unwrap();
    world.pass(LOOK).await;
    world.until(|world| world.keys().last_error.is_some_and(|error| error.contains("not a file"))).await;
    fs::remove_dir(world.dir.file()).unwrap();
    world.dir.replace(&content);
    world.look().await;
    assert_eq!(world.keys().last_error, None);
    assert_eq!(world.status(&good).await, 200, "back");
}

/// Half a file proves nothing about a key that is not in the known one.
#[tokio::test]
async fn a_file_that_cannot_be_read_condemns_no_token() {
    let world = World::new(str::to_owned).await;
    world.issuer.rotate_keys().await.unwrap();
    let content = set(&world.issuer).await;
    world.dir.replace(&content[..content.len() / 2]);
    let new = world.issuer.mint(token());
    let waiting = tokio::spawn({
        let (api, new) = (world.api.clone(), new.clone());
        async move { ask(&api, any_token(), request(&new)).await.status }
    });
    world.until(|world| world.keys().last_error.is_some()).await;
    while !waiting.is_finished() {
        world.clock.advance(Duration::from_millis(100));
        SystemClock::new().sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(waiting.await.unwrap(), 503, "undecided, not invalid");
    world.dir.replace(&content);
    world.look().await;
    assert_eq!(world.status(&new).await, 200);
}

#[tokio::test]
async fn keys_of_a_file_that_is_gone_grow_old() {
    let world = World::new(str::to_owned).await;
    let good = world.issuer.mint(long());
    fs::remove_file(world.dir.file()).unwrap();
    world.pass(LOOK + Duration::from_secs(3599)).await;
    assert_eq!(world.status(&good).await, 200);
    world.until(|world| world.keys().last_error.is_some()).await;
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.ask(&good).await.rejection.unwrap().kind(), Kind::NoKeys);
    assert!(!world.api.health().is_ready());
}

/// As long as it is there it does not, changed or not.
#[tokio::test]
async fn keys_of_a_file_that_stays_do_not_grow_old() {
    let world = World::new(str::to_owned).await;
    let good = world.issuer.mint(long());
    for _ in 0..3 {
        world.pass(Duration::from_secs(3600)).await;
        world.until(|world| world.keys().age == Some(0.0)).await;
    }
    assert_eq!(world.status(&good).await, 200);
}

/// As Kubernetes replaces a mounted secret.
#[cfg(unix)]
#[tokio::test]
async fn a_swapped_symlink_is_a_new_file() {
    use std::os::unix::fs::symlink;

    let (dir, clock) = (Dir::new(), clock());
    let issuer = issuer(&clock).await;
    let publish = async |version: &str| {
        fs::create_dir(dir.0.join(version)).unwrap();
        fs::write(dir.0.join(version).join("keys"), set(&issuer).await).unwrap();
        symlink(version, dir.0.join("..data_tmp")).unwrap();
        fs::rename(dir.0.join("..data_tmp"), dir.0.join("..data")).unwrap();
    };
    publish("one").await;
    symlink("..data/keys", dir.file()).unwrap();
    let api = builder(&issuer, &clock).keys_file(dir.file()).without_revocation().start().await.unwrap();
    issuer.rotate_keys().await.unwrap();
    publish("two").await;
    let world = World { issuer, clock, dir, api };
    world.look().await;
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
}

#[tokio::test]
async fn a_file_that_does_not_work_fails_an_eager_start() {
    let (dir, clock) = (Dir::new(), clock());
    let issuer = issuer(&clock).await;
    let start = async |path: PathBuf| {
        let builder = builder(&issuer, &clock).keys_file(path).without_revocation();
        builder.start().await.unwrap_err()
    };
    let file = dir.file();
    let says = |error: tower_bearer::StartError, path: &Path, words: &[&str]| {
        assert_eq!((error.setting(), error.value()), ("keys_file", path.to_str().unwrap()));
        assert_eq!(error.issuer(), Some(issuer.issuer()));
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} is missing in {error}");
        }
    };
    says(start(file.clone()).await, &file, &["No such file", "start_lazily"]);
    says(start(dir.0.to_path_buf()).await, &dir.0, &["it is not a file"]);
    says(start(PathBuf::new()).await, Path::new(""), &["No such file"]);
    dir.replace("hunter2");
    says(start(file.clone()).await, &file, &["not a JWK set", "PEM"]);
    dir.replace("-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----\n");
    let error = start(file.clone()).await;
    assert!(!error.to_string().contains("hunter2"));
    says(error, &file, &["private key", "only the public key belongs here"]);
    fs::write(&file, include_str!("../../src/keys/pem/certificate.pem")).unwrap();
    says(start(file.clone()).await, &file, &["openssl x509 -pubkey -noout"]);
}

#[tokio::test]
async fn a_lazy_start_waits_for_the_file() {
    let (dir, clock) = (Dir::new(), clock());
    let issuer = issuer(&clock).await;
    let api = builder(&issuer, &clock).keys_file(dir.file()).without_revocation().start_lazily().unwrap();
    let world = World { issuer, clock, dir, api };
    world.until(|world| world.keys().last_error.is_some()).await;
    let good = world.issuer.mint(token());
    assert_eq!(world.ask(&good).await.rejection.unwrap().kind(), Kind::NoKeys);
    world.dir.replace(&set(&world.issuer).await);
    world.pass(Duration::from_secs(2)).await;
    world.api.ready().await;
    assert_eq!(world.status(&good).await, 200);
}
