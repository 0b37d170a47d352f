//! The restatement, held to the source.

/// The source, and in which order a function of it takes which steps. What it takes besides is not restated.
const STEPS: &[(&str, &str, &[&str])] = &[
    (
        include_str!("../../../revocation.rs"),
        "fn apply(",
        &[
            "self.writer.lock()",
            "State::clone(&self.state.load())",
            "writer.apply(&mut state,",
            "state.note(&added,",
            "self.state.store(",
            "if steps > 0",
            "self.announce(steps)",
            "outcome",
        ],
    ),
    (
        include_str!("../../../revocation.rs"),
        "fn tidy(",
        &["self.writer.lock()", "State::clone(&self.state.load())", "writer.tidy(", "self.state.store("],
    ),
    (
        include_str!("../../../revocation.rs"),
        "fn announce(",
        &["self.epoch.fetch_add(steps, Ordering::Release)"],
    ),
    (include_str!("../../../revocation.rs"), "fn epoch(", &["self.epoch.load(Ordering::Acquire)"]),
    (include_str!("../../../revocation.rs"), "fn revokes(", &["self.state.load().revokes("]),
    (
        include_str!("../../../revocation.rs"),
        "fn revokes_since<",
        &["self.epoch() <= epoch", "self.state.load()", "state.recent.may_concern(epoch", "state.revokes("],
    ),
    (
        include_str!("../../recent.rs"),
        "fn note(",
        &["let epoch = epoch + 1", "Said { epoch,", "self.since = last.epoch", "retain("],
    ),
    (
        include_str!("../../writer.rs"),
        "fn apply(",
        &["self.add(state,", "self.take_back(state,", "state.renew("],
    ),
    (include_str!("../../identifier.rs"), "fn contains(", &["live.contains_key(", "self.bulk"]),
    (
        include_str!("../../identifier.rs"),
        "fn add(",
        &["Arc::make_mut(place).fold(", "} else {", "live.insert("],
    ),
    (
        include_str!("../../identifier.rs"),
        "fn fold(",
        &["self.live_words()", "self.bulk = ", "self.live = None"],
    ),
    (
        include_str!("../../export.rs"),
        "fn import(",
        &[
            "self.writer.lock()",
            "recent: Recent::after_much(self.epoch())",
            "state.renew(",
            "self.state.store(",
            "self.announce(JUMP)",
        ],
    ),
    (
        include_str!("../../freshness.rs"),
        "fn confirm_aged(",
        &["self.confirmed.fetch_max(told, Ordering::AcqRel)", "self.flawed.store(0, Ordering::Release)"],
    ),
    (include_str!("../../freshness.rs"), "fn flaw(", &["self.flawed.swap(1, Ordering::AcqRel)"]),
    (include_str!("../../freshness.rs"), "fn age_millis(", &["self.confirmed.load(Ordering::Acquire)"]),
    (
        include_str!("../../freshness.rs"),
        "fn state(",
        &["self.age_millis(uptime)", "self.flawed.load(Ordering::Acquire)"],
    ),
    (
        include_str!("../../../request/revoked.rs"),
        "fn look(",
        &[
            "facts.looked_at.read()",
            "source.freshness.suffices(",
            "source.epoch()",
            "if is_revoked(facts, looked_at)",
            "return Err(",
            "facts.looked_at.set(epoch)",
        ],
    ),
    (
        include_str!("../../../request/revoked.rs"),
        "fn revokes(",
        &["return source.revokes(", "!ptr::eq(", "Revocations::epoch", "looked_at.saturating_sub(others)"],
    ),
    (include_str!("../../../background/pull.rs"), "fn refresh(", &["self.pull().await", "self.confirm("]),
    (
        include_str!("../../../background/pull/intake.rs"),
        "fn take_in(",
        &["take_in::take_in(", ".await", "self.note_flaws("],
    ),
];

/// Steps that would break what is restated, wherever they stood.
const NEVER: &[(&str, &str, &str)] = &[
    (include_str!("../../identifier.rs"), "fn fold(", "invalidate"),
    (include_str!("../../identifier.rs"), "fn renew(", "invalidate"),
    (include_str!("../../state.rs"), "fn renew(", "invalidate"),
    (include_str!("../../freshness.rs"), "fn state(", "Relaxed"),
];

/// The body of a function, up to the brace that stands under its beginning.
fn body<'a>(source: &'a str, function: &str) -> &'a str {
    let start = source.find(function).unwrap_or_else(|| panic!("no {function}"));
    let line = source[..start].rfind('\n').map_or(0, |end| end + 1);
    let indent = source[line..].len() - source[line..].trim_start().len();
    let close = format!("\n{}}}\n", " ".repeat(indent));
    let end = source[start..].find(&close).unwrap_or_else(|| panic!("{function} does not end"));
    &source[start..start + end]
}

fn takes(body: &str, steps: &[&str]) -> Result<(), String> {
    let mut rest = body;
    for step in steps {
        rest = rest.split_once(step).ok_or_else(|| format!("`{step}` is missing, or comes too early"))?.1;
    }
    Ok(())
}

#[test]
fn the_steps_are_those_of_the_source() {
    for (source, function, steps) in STEPS {
        if let Err(what) = takes(body(source, function), steps) {
            panic!("{function} {what}: restate it above, and see whether the models still hold");
        }
        let reversed: Vec<_> = steps.iter().rev().copied().collect();
        assert!(
            steps.len() < 2 || takes(body(source, function), &reversed).is_err(),
            "{function} says nothing"
        );
    }
    for (source, function, step) in NEVER {
        assert!(!body(source, function).contains(step), "{function} has `{step}`");
    }
}
