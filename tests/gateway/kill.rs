//! Killed at any moment: what has ever been refused stays refused.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tower_bearer::clock::{Clock as _, SystemClock};

use crate::client::Ask;
use crate::process::{Dir, Gateway};
use crate::rng::Rng;
use crate::setup::{AUDIENCE, ROUTES, authorization_server, listeners, token, until, within};
use crate::upstream::Upstream;

const ROUNDS: usize = 12;
const TOKENS: usize = 24;

/// Each round a gateway is killed while revocations come in and are being refused; the next one finds nobody to ask.
#[tokio::test]
async fn no_restart_lets_a_token_in_that_was_refused() {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    let port = server.issuer().rsplit_once(':').unwrap().1.parse().unwrap();
    let keys = Ask::get("/jwks.json").of(port).await.body;
    let config = format!(
        "{}[[issuer]]\nurl = '{}'\naudience = ['{AUDIENCE}']\nallow_loopback_http = true\nkeys_file = 'keys.json'\n\
         [issuer.revocation]\nsource = 'feed'\nurl = '{}'\npoll_interval = '10ms'\nmax_staleness = '1h'\nsnapshot = 'state/kept.bin'\n{ROUTES}",
        listeners(upstream.port),
        server.issuer(),
        server.feed_url(),
    );
    let seed = u64::from(std::process::id()) ^ SystemClock::new().wall().as_millis().unsigned_abs();
    // Moments that differ from run to run, and are said when it fails.
    let mut moments = Rng::new(seed);
    let good = server.mint(token("read:events"));
    let mut dir = Dir::new();
    dir.write("keys.json", &keys);
    let mut refused: HashSet<String> = HashSet::new();
    for round in 0..ROUNDS {
        server.restart().await.unwrap();
        let gateway = Gateway::start_in(dir, &config).await;
        until("readiness", async || Ask::get("/readyz").of(gateway.admin).await.status == 200).await;
        let tokens: Vec<_> = (0..TOKENS)
            .map(|n| {
                (
                    format!("{round}-{n}"),
                    server.mint(token("read:events").claim("jti", format!("{round}-{n}"))),
                )
            })
            .collect();
        // Revocations come in one by one, while all tokens are being asked about.
        let pause = Duration::from_micros(500 + moments.below(4000) as u64);
        let revoking = async {
            for (id, _) in &tokens {
                server.revoke_token(id);
                SystemClock::new().sleep(pause).await;
            }
        };
        let (count, mut counted) = watch::channel(0);
        let asking = async {
            loop {
                for (_, token) in &tokens {
                    if Ask::get("/events").bearer(token).of(gateway.port).await.status == 401
                        && refused.insert(token.clone())
                    {
                        count.send_modify(|count| *count += 1);
                    }
                }
            }
        };
        // How many are refused before the end, and the moment after that, are drawn: on no machine too few are.
        let enough = moments.below(TOKENS + 1);
        let moment = Duration::from_micros(moments.below(5000) as u64);
        let ending = async {
            within("refusals", counted.wait_for(|count| *count >= enough)).await.unwrap();
            SystemClock::new().sleep(moment).await;
        };
        tokio::select! {
            () = async { tokio::join!(revoking, asking); } => {}
            () = ending => {}
        }
        dir = gateway.kill().await;
        server.stop().await;

        let gateway = Gateway::start_in(dir, &config).await;
        // From the first moment on, not only once it is ready.
        for token in &refused {
            let status = Ask::get("/events").bearer(token).of(gateway.port).await.status;
            assert!(matches!(status, 401 | 503), "{status} after restart {round} (seed {seed})");
        }
        until("the snapshot", async || {
            Ask::get("/events").bearer(&good).of(gateway.port).await.status == 200
        })
        .await;
        for token in &refused {
            let status = Ask::get("/events").bearer(token).of(gateway.port).await.status;
            assert_eq!(status, 401, "once live ones are admitted, after restart {round} (seed {seed})");
        }
        dir = gateway.kill().await;
    }
    assert!(refused.len() > TOKENS, "{} tokens were refused: too few to show anything", refused.len());
}
