//! What the resource server knows, as metrics. Single keys and tenants are on the status page: their names are not ours.

use tower_bearer::{FeedHealth, FreshnessState, Health, IssuerHealth, VerdictsHealth};

use crate::prometheus::{Kind, Page};

const STATES: [(FreshnessState, &str); 4] = [
    (FreshnessState::Unknown, "unknown"),
    (FreshnessState::Fresh, "fresh"),
    (FreshnessState::Stale, "stale"),
    (FreshnessState::Expired, "expired"),
];

pub(crate) fn write(health: &Health, page: &mut Page) {
    let help = "Whether the tokens of every named issuer can be judged.";
    page.family("tower_bearer_ready", Kind::Gauge, help).sample(&[], u8::from(health.is_ready()));
    keys(&health.issuers, page);
    revocations(&health.issuers, page);
    tenants(health, page);
    verdicts(health.verdicts, page);
}

/// Beside `gateway_requests_total{outcome="admitted"}` of protected routes, what is added tells how often a token was known.
fn verdicts(told: VerdictsHealth, page: &mut Page) {
    let mut sample = |name, kind, help, value: u64| page.family(name, kind, help).sample(&[], value);
    sample("tower_bearer_verdicts", Kind::Gauge, "Admitted tokens that are remembered.", told.entries);
    sample("tower_bearer_verdicts_bytes", Kind::Gauge, "Bytes that they take, about.", told.bytes);
    sample("tower_bearer_verdicts_room_bytes", Kind::Gauge, "Bytes that they may take.", told.room);
    let help = "Tokens that were new, verified and remembered; all others that were admitted were known.";
    sample("tower_bearer_verdicts_added_total", Kind::Counter, help, told.added);
    let help = "Remembered tokens that went early to make room.";
    sample("tower_bearer_verdicts_displaced_total", Kind::Counter, help, told.displaced);
}

fn keys(issuers: &[IssuerHealth], page: &mut Page) {
    let mut gauge = |name, help, value: fn(&IssuerHealth) -> Option<f64>| {
        let mut family = page.family(name, Kind::Gauge, help);
        for issuer in issuers {
            if let Some(value) = value(issuer) {
                family.sample(&[("issuer", &issuer.issuer)], value);
            }
        }
    };
    gauge("tower_bearer_keys_usable", "Whether the issuer's tokens can be verified.", |issuer| {
        Some(f64::from(u8::from(issuer.keys.usable)))
    });
    gauge("tower_bearer_keys", "Keys in use.", |issuer| Some(count(issuer.keys.keys.len())));
    gauge("tower_bearer_keys_left_out", "Members of the key set that are not used.", |issuer| {
        Some(count(issuer.keys.left_out.len()))
    });
    gauge("tower_bearer_keys_age_seconds", "Time since the keys were last confirmed.", |issuer| {
        issuer.keys.age
    });
    gauge("tower_bearer_keys_next_refresh_seconds", "Time until the keys are asked for again.", |issuer| {
        issuer.keys.next_refresh
    });
}

fn revocations(issuers: &[IssuerHealth], page: &mut Page) {
    let sources: Vec<_> = issuers.iter().flat_map(sources).collect();
    let help = "Which state the source is in: that one is 1.";
    let mut family = page.family("tower_bearer_revocation_state", Kind::Gauge, help);
    for (issuer, source, feed) in &sources {
        for (state, word) in STATES {
            let labels = [("issuer", *issuer), ("source", source), ("state", word)];
            family.sample(&labels, u8::from(feed.state == state));
        }
    }
    let mut gauge = |name, help, value: fn(&FeedHealth) -> Option<f64>| {
        let mut family = page.family(name, Kind::Gauge, help);
        for (issuer, source, feed) in &sources {
            if let Some(value) = value(feed) {
                family.sample(&[("issuer", *issuer), ("source", source)], value);
            }
        }
    };
    gauge(
        "tower_bearer_revocation_usable",
        "Whether requests are served as far as the source is concerned.",
        |feed| Some(f64::from(u8::from(feed.usable))),
    );
    gauge("tower_bearer_revocation_age_seconds", "Time since the source's last complete answer.", |feed| {
        feed.age
    });
    gauge("tower_bearer_revocation_identifiers", "Revoked identifiers in force, about.", |feed| {
        Some(feed.identifiers as f64)
    });
    gauge("tower_bearer_revocation_cut_offs", "Cut-offs in force.", |feed| Some(feed.cut_offs as f64));
    gauge("tower_bearer_revocation_ignored", "Entries not understood and ignored by choice.", |feed| {
        Some(feed.ignored as f64)
    });
    let help = "Ends of access told by an id that is not known here: their tokens live until they expire.";
    let mut family = page.family("tower_bearer_revocation_unnamed_total", Kind::Counter, help);
    for (issuer, source, feed) in &sources {
        family.sample(&[("issuer", *issuer), ("source", source)], feed.unnamed);
    }
    let help = "Requests that a source on trial would have refused.";
    let mut family = page.family("tower_bearer_revocation_would_refuse_total", Kind::Counter, help);
    for (issuer, source, feed) in &sources {
        if let Some(told) = &feed.would_refuse {
            for (reason, count) in [("revoked", told.revoked), ("stale", told.stale)] {
                family.sample(&[("issuer", *issuer), ("source", source), ("reason", reason)], count);
            }
        }
    }
}

fn tenants(health: &Health, page: &mut Page) {
    let help = "Tenants under the pattern or list, by what is known of them.";
    let mut family = page.family("tower_bearer_tenants", Kind::Gauge, help);
    for tenants in &health.tenants {
        let counts =
            [("known", tenants.known), ("on_probation", tenants.on_probation), ("dormant", tenants.dormant)];
        for (state, count) in counts {
            family.sample(&[("tenants", &tenants.tenants), ("state", state)], count);
        }
    }
    let help = "The most tenants there may be, of all states together.";
    let mut family = page.family("tower_bearer_tenants_limit", Kind::Gauge, help);
    for tenants in &health.tenants {
        family.sample(&[("tenants", &tenants.tenants)], tenants.limit);
    }
}

/// Sources that are shown alike, as URLs that differ in the query only, are numbered: no two samples may be of one name.
fn sources(issuer: &IssuerHealth) -> impl Iterator<Item = (&str, String, &FeedHealth)> {
    issuer.feeds.iter().enumerate().map(|(place, feed)| {
        let earlier = issuer.feeds.iter().take(place).filter(|other| other.source == feed.source).count();
        let number = if earlier == 0 { String::new() } else { format!(" #{}", earlier + 1) };
        (issuer.issuer.as_str(), format!("{}{number}", feed.source), feed)
    })
}

fn count(of: usize) -> f64 {
    of as f64
}
