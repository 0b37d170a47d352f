//! What was found, rule by rule.

use std::fmt;

use serde_json::{Value, json};

/// How a rule came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It holds.
    Ok,
    /// It does not: resource servers will refuse something, or not learn of it.
    Fail,
    /// It works, though not as well as it could, or as it should.
    Warn,
    /// It could not be looked at, or does not apply.
    Skip,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) outcome: Outcome,
    /// A rule of docs/revocation-feed.md.
    pub(crate) rule: &'static str,
    pub(crate) words: String,
}

/// All lines.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Line>);

/// Every rule, as docs/revocation-feed.md lists them.
pub(crate) const RULES: [&str; 31] = [
    "https",
    "answers",
    "content-type",
    "json",
    "page",
    "iss",
    "as-of",
    "full",
    "paging",
    "entry-object",
    "entry-members",
    "entry-values",
    "entry-dates",
    "entry-match",
    "entry-withdrawn",
    "entry-exp",
    "limits",
    "cursor",
    "delta",
    "delta-again",
    "delta-complete",
    "unknown-cursor",
    "wait",
    "as-of-order",
    "heartbeat",
    "etag",
    "signed",
    "auth",
    "errors",
    "gzip",
    "caching",
];

impl Report {
    pub(crate) fn ok(&mut self, rule: &'static str, words: impl Into<String>) {
        self.say(Outcome::Ok, rule, words);
    }

    pub(crate) fn fail(&mut self, rule: &'static str, words: impl Into<String>) {
        self.say(Outcome::Fail, rule, words);
    }

    pub(crate) fn warn(&mut self, rule: &'static str, words: impl Into<String>) {
        self.say(Outcome::Warn, rule, words);
    }

    pub(crate) fn skip(&mut self, rule: &'static str, words: impl Into<String>) {
        self.say(Outcome::Skip, rule, words);
    }

    /// Says `rule` with these words, unless it has failed or been warned of already.
    pub(crate) fn ok_unless_said(&mut self, rule: &'static str, words: impl Into<String>) {
        if !self.0.iter().any(|line| line.rule == rule) {
            self.ok(rule, words);
        }
    }

    fn say(&mut self, outcome: Outcome, rule: &'static str, words: impl Into<String>) {
        let words = words.into();
        // The same mistake on many answers is one line.
        if !self.0.iter().any(|line| line.rule == rule && line.words == words) {
            self.0.push(Line { outcome, rule, words });
        }
    }

    /// Names the rules that nothing was said about, so that no silence is taken for an `ok`, and puts all in order.
    pub(crate) fn complete(&mut self) {
        for rule in RULES {
            if !self.0.iter().any(|line| line.rule == rule) {
                self.skip(rule, "not reached");
            }
        }
        self.0.sort_by_key(|line| RULES.iter().position(|rule| *rule == line.rule));
    }

    #[allow(dead_code, reason = "tests ask for them")]
    pub(crate) fn lines(&self) -> &[Line] {
        &self.0
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.iter().any(|line| line.outcome == Outcome::Fail)
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.0.iter().filter(|line| line.outcome == outcome).count()
    }

    pub(crate) fn to_json(&self) -> Value {
        let line =
            |line: &Line| json!({"outcome": line.outcome.word(), "rule": line.rule, "words": line.words});
        json!({"conforms": !self.has_failed(), "lines": self.0.iter().map(line).collect::<Vec<_>>()})
    }
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "FAIL",
            Self::Warn => "warn",
            Self::Skip => "skip",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { outcome, rule, words } in &self.0 {
            writeln!(f, "{:<4} {rule:<15} {words}", outcome.word())?;
        }
        let [ok, fail, warn, skip] =
            [Outcome::Ok, Outcome::Fail, Outcome::Warn, Outcome::Skip].map(|outcome| self.count(outcome));
        writeln!(f, "\n{ok} ok, {fail} FAIL, {warn} warn, {skip} skip")
    }
}
