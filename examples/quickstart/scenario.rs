//! What can happen to a token, line by line.

use std::error::Error;
use std::time::Duration;

use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::testing::AuthorizationServer;

use super::client::{Answer, Caller};
use super::{AUDIENCE, CLIENT, MAX_STALENESS, POLL_INTERVAL, SECRET};

/// A revocation should be refused this long after the poll that could first have seen it. Where it is later, that is said:
/// the machine may be busy.
const ALLOWANCE: Duration = Duration::from_millis(50);
/// From here on it is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints each line as it happens, and remembers whether all came out right.
struct Stage {
    clock: SystemClock,
    right: bool,
}

impl Stage {
    fn line(&mut self, what: &str, expected: u16, (status, challenge): &Answer, remark: &str) {
        let right = *status == expected;
        self.right &= right;
        let mark = if right { "ok   " } else { "WRONG" };
        println!("{mark} {what:<44} → {status}  {remark}");
        if !right || (!challenge.is_empty() && remark.is_empty()) {
            println!("      {challenge}");
        }
    }

    /// Asks again and again until the answer is `expected`; says whether this took no longer than `bound`.
    async fn until(
        &mut self,
        what: &str,
        expected: u16,
        bound: Duration,
        caller: &Caller,
        token: &str,
    ) -> Result<(), Box<dyn Error>> {
        let start = self.clock.uptime();
        loop {
            let answer = caller.read(token).await?;
            let spent = self.clock.uptime().saturating_sub(start);
            if answer.0 == expected || spent > PATIENCE {
                let than = if spent <= bound { "within" } else { "LATER than" };
                self.line(what, expected, &answer, &format!("after {spent:.1?}, {than} {bound:?}"));
                return Ok(());
            }
            self.clock.sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Plays the scenario. True if every line came out as it should.
pub(crate) async fn play(issuer: &AuthorizationServer, api: &str) -> Result<bool, Box<dyn Error>> {
    let caller = Caller::new(issuer, api);
    let mut stage = Stage { clock: SystemClock::new(), right: true };
    let soon = POLL_INTERVAL + ALLOWANCE;

    issuer.add_client(CLIENT, SECRET);
    let grant = issuer.grant(CLIENT, AUDIENCE, ["read:events", "write:events"]);

    stage.line("no token", 401, &caller.read_without_token().await?, "");
    let reader = caller.token("read:events").await?;
    stage.line("token obtained", 200, &caller.read(&reader).await?, "");
    stage.line("token without the scope of the route", 403, &caller.write(&reader).await?, "");
    stage.line("token tampered with", 401, &caller.read(&tampered(&reader)).await?, "");

    issuer.revoke_jwt(&reader);
    stage.until("token blacklisted", 401, soon, &caller, &reader).await?;
    let fresh = caller.token("read:events write:events").await?;
    stage.line("new token", 200, &caller.write(&fresh).await?, "");

    issuer.delete_grant(&grant);
    stage.until("client's grant deleted", 401, soon, &caller, &fresh).await?;
    issuer.grant(CLIENT, AUDIENCE, ["read:events"]);
    let regranted = caller.token("read:events").await?;
    stage.line("granted again", 200, &caller.read(&regranted).await?, "");
    stage.line("a token of the deleted grant", 401, &caller.read(&fresh).await?, "is still refused");

    issuer.rotate_keys().await?;
    let rotated = caller.token("read:events").await?;
    stage.line("keys rotated", 200, &caller.read(&rotated).await?, "the unknown kid was looked up at once");

    let revoked = caller.token("read:events").await?;
    issuer.revoke_jwt(&revoked);
    stage.until("another token blacklisted", 401, soon, &caller, &revoked).await?;
    issuer.stop().await;
    stage.line(
        "authorization server stopped",
        200,
        &caller.read(&rotated).await?,
        "keys and revocations are in memory",
    );
    stage.line("a token revoked before", 401, &caller.read(&revoked).await?, "is still refused");
    stage.until("feed older than its bound", 503, MAX_STALENESS + soon, &caller, &rotated).await?;
    Ok(stage.right)
}

/// The same token with another subject.
fn tampered(token: &str) -> String {
    let mut parts: Vec<_> = token.split('.').collect();
    let claims = base64_simd::URL_SAFE_NO_PAD.encode_to_string(br#"{"sub":"somebody-else"}"#);
    if let Some(part) = parts.get_mut(1) {
        *part = &claims;
    }
    parts.join(".")
}
