//! Nothing of a token or a secret reaches a log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tower_bearer::any_token;
use tracing_subscriber::fmt::MakeWriter;

use super::world::{World, ask, builder, feed, request, token};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// BR-26.
#[tokio::test]
async fn nothing_of_a_token_is_logged() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("trace")
        .with_writer(captured.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let world = World::new().await;
    let marker = "marker-that-must-not-be-seen";
    let tokens = [
        world.issuer.mint(token().subject(marker)),
        world.issuer.mint(token().subject(marker).without("exp")),
        world.issuer.mint(token().subject(marker).header("kid", marker)),
        world.issuer.mint(token().subject(marker).header("typ", marker)),
        world.issuer.mint(token().subject(marker).claim("aud", marker)),
        world.issuer.mint(token().subject(marker).signed_by_unknown_key()),
        world.issuer.mint(token().subject(marker).unsigned()),
        format!("{marker} {marker}"),
        marker.to_owned(),
    ];
    for token in &tokens {
        let answer = world.patiently(ask(&world.api, any_token(), request(token))).await;
        let debug = format!("{answer:?} {:?}", world.api);
        assert!(!debug.contains(marker) || answer.status == 200, "{debug}");
    }
    world.issuer.revoke_jwt(&tokens[0]);
    world.poll().await;
    assert_eq!(world.status(&tokens[0]).await, 401);
    world.issuer.stop().await;
    world.poll_in_vain().await;
    let credentials = feed(&world.issuer).bearer(marker);
    let error = builder(&world.issuer, &world.clock).revocation(credentials).start().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(marker));

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("tower_bearer::rejection") && log.contains("signature does not verify"), "{log}");
    assert!(!log.contains(marker), "{log}");
    for token in &tokens {
        for part in token.split('.').filter(|part| part.len() > 20) {
            assert!(!log.contains(part), "a part of a token is in the log");
        }
    }
}
