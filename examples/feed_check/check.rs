//! The questions, and what is concluded from the answers.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower_bearer::clock::Clock;
use url::Url;

use crate::ask::{Answer, Asker, Credentials, JSON, Question, SIGNED, is_loopback};
use crate::page::{Known, Page, shapes, shorten};
use crate::report::Report;

/// Pages of one answer.
const PAGES: usize = 10_000;
/// Different sets of claim names.
const SHAPES: usize = 32;
/// Replicas differ a little, and `as_of` is in seconds.
pub(crate) const SLACK: f64 = 2.0;
/// Clocks that differ by more are worth a word.
const CLOCKS_APART: f64 = 300.0;
/// Bad entries of a page that are named one by one.
const NAMED: usize = 10;

/// What to check, and how.
pub(crate) struct Options {
    pub(crate) url: Url,
    /// As in the tokens' `iss`.
    pub(crate) issuer: String,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) loopback_http: bool,
    pub(crate) known: Known,
    /// Seconds that a poll asks to be held.
    pub(crate) wait: u64,
    /// How much longer it may take all the same.
    pub(crate) grace: Duration,
    /// Until an answer must have come.
    pub(crate) patience: Duration,
    /// Makes a revocation; or waits until somebody has.
    pub(crate) news: News,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where revocations come from while the check runs.
pub(crate) enum News {
    /// Whatever happens on the server meanwhile.
    Chance,
    /// Somebody makes one within this time.
    Within(Duration),
    /// This makes one.
    Made(Box<dyn Fn() + Send + Sync>),
}

/// Everything in force, as one answer of several pages said it.
pub(crate) struct State {
    entries: Vec<Value>,
    /// None, too, where the pages had no end.
    cursor: Option<String>,
    pub(crate) etag: Option<String>,
}

pub(crate) struct Checker<'a> {
    pub(crate) options: &'a Options,
    pub(crate) asker: Asker,
    pub(crate) report: Report,
    /// The latest that was seen.
    pub(crate) as_of: Option<f64>,
    slowest: Duration,
}

/// Asks the feed whatever there is to ask, and says for each rule whether it holds.
///
/// # Errors
/// If the options cannot be used.
pub(crate) async fn check(mut options: Options) -> Result<Report, Box<dyn Error>> {
    let credentials = options.credentials.take();
    let (ca, clock) = (options.ca.as_deref(), Arc::clone(&options.clock));
    let asker = Asker::new(options.url.clone(), credentials, ca, options.patience, clock)?;
    let report = Report::default();
    let mut checker = Checker { options: &options, asker, report, as_of: None, slowest: Duration::ZERO };
    if checker.may_ask() {
        checker.run().await;
    }
    checker.report.complete();
    Ok(checker.report)
}

impl Checker<'_> {
    /// Credentials and revocations are for nobody in between.
    fn may_ask(&mut self) -> bool {
        let url = &self.options.url;
        match url.scheme() {
            "https" => self.report.ok("https", "asked over TLS"),
            "http" if self.options.loopback_http && is_loopback(url) => {
                self.report.skip("https", "http to this very machine, as allowed");
            }
            _ => self.report.fail("https", "the feed is not https; nothing was asked"),
        }
        !self.report.has_failed()
    }

    async fn run(&mut self) {
        let Some(first) = self.full_state().await else { return };
        self.entity_tag(&first).await;
        self.compression().await;
        self.anonymous().await;
        self.signed().await;
        let latest = match &first.cursor {
            Some(cursor) => self.deltas(&first, cursor).await,
            None => {
                self.report.warn("cursor", "none is given: all is asked for each time");
                None
            }
        };
        self.heartbeat(latest.as_deref()).await;
        match &latest {
            Some(cursor) => self.wait(cursor).await,
            None => self.report.skip("wait", "there is no cursor to wait at"),
        }
        self.sum_up();
    }

    /// What held on every page.
    fn sum_up(&mut self) {
        let slowest = format!("each with 200; the slowest took {} ms", self.slowest.as_millis());
        for (rule, words) in [
            ("answers", slowest.as_str()),
            ("content-type", JSON),
            ("json", "strict: UTF-8, no duplicate member"),
            ("page", "members have their types"),
            ("iss", "is the issuer's, byte for byte"),
            ("as-of", "is a date in seconds"),
            ("full", "`full: true` on each page of the full state"),
            ("paging", "comes to an end"),
            ("entry-object", "each entry is an object"),
            ("entry-members", "each member is known"),
            ("entry-values", "each claim is a string"),
            ("entry-dates", "each date is in seconds and not ahead"),
            ("entry-match", "each entry has `issued_before` or identifies"),
            ("entry-withdrawn", "nothing is withdrawn without `at`"),
            ("entry-exp", "each entry says when it ends"),
            ("limits", "kept"),
            ("as-of-order", "never goes back"),
            ("errors", "no other page in place of an error"),
            ("caching", "no answer may be stored"),
        ] {
            self.report.ok_unless_said(rule, words);
        }
    }

    pub(crate) async fn ask(&mut self, question: Question<'_>, what: &str) -> Option<Answer> {
        match self.asker.ask(question).await {
            Ok(answer) => {
                if question.wait.is_none() {
                    self.slowest = self.slowest.max(answer.took);
                }
                Some(answer)
            }
            Err(words) => {
                self.report.fail("answers", format!("{what}: {words}"));
                None
            }
        }
    }

    /// The page that an answer is; what is wrong with it goes into the report.
    pub(crate) fn page(&mut self, answer: &Answer, what: &str) -> Option<Page> {
        if answer.status != 200 {
            self.report.fail("answers", format!("{what}: status {}, not 200", answer.status));
            return None;
        }
        self.caching(answer);
        let body = match answer.media_type().as_str() {
            SIGNED => payload(&answer.body).map_err(|words| self.report.fail("signed", words)).ok()?,
            JSON => answer.body.clone(),
            other => {
                let other = shorten(other);
                self.report.fail("content-type", format!("{what}: `{other}`, not {JSON}"));
                // It may be a page all the same; if it is none, that has been said.
                serde_json::from_slice::<Value>(&answer.body).ok()?;
                answer.body.clone()
            }
        };
        let mut flaws = Vec::new();
        let page = Page::read(&body, &mut flaws);
        if let Some(page) = page.as_ref().filter(|page| !page.resync) {
            self.time(page, what);
            self.entries(page, what);
            if let Some(iss) = page.iss.as_ref().filter(|iss| **iss != self.options.issuer) {
                let (found, wanted) = (shorten(iss), shorten(&self.options.issuer));
                self.report.fail("iss", format!("{what}: `{found}`, not `{wanted}`"));
            }
        }
        for (rule, words) in flaws {
            self.report.fail(rule, format!("{what}: {words}"));
        }
        page
    }

    fn time(&mut self, page: &Page, what: &str) {
        let Some(as_of) = page.as_of else { return };
        let apart = as_of - self.options.clock.wall().as_millis() as f64 / 1000.0;
        if apart.abs() > CLOCKS_APART {
            let words = format!("the server's clock and this machine's are {:.0} s apart", apart.abs());
            self.report.warn("as-of", words);
        }
        let latest = self.as_of.map_or(as_of, |latest| latest.max(as_of));
        if as_of < latest - SLACK {
            self.report.fail("as-of-order", format!("{what}: it went back by {} s", latest - as_of));
        }
        self.as_of = Some(latest);
    }

    fn entries(&mut self, page: &Page, what: &str) {
        let flaws = page.entry_flaws(&self.options.known);
        for (rule, words) in flaws.iter().take(NAMED) {
            self.report.fail(rule, format!("{what}, {words}"));
        }
        for (rule, _) in flaws.iter().skip(NAMED) {
            self.report.fail(rule, format!("{what}: there are more such entries"));
        }
        let open =
            page.entries.iter().filter(|entry| entry.is_object() && entry.get("exp").is_none()).count();
        if open > 0 {
            let words = "entries without `exp` are kept for the longest life that a token may have";
            self.report.warn("entry-exp", format!("{what}: {open} {words}"));
        }
    }

    fn caching(&mut self, answer: &Answer) {
        let directives = answer.header("cache-control").unwrap_or_default().to_ascii_lowercase();
        if !["no-store", "no-cache", "max-age=0"].iter().any(|word| directives.contains(word)) {
            self.report.warn("caching", "no `Cache-Control: no-store`: a cache in between may answer");
        }
        if answer.header("age").is_some_and(|age| age != "0") {
            self.report.warn("caching", "an answer came out of a cache (it has an `Age`)");
        }
    }

    async fn full_state(&mut self) -> Option<State> {
        let answer = self.ask(Question::default(), "full state").await?;
        let etag = answer.header("etag").map(str::to_owned);
        let page = self.page(&answer, "full state")?;
        if page.resync {
            self.report.fail("full", "a question for the full state was answered with `resync`");
            return None;
        }
        let (entries, cursor) = self.pages(page, None, "full state").await?;
        let shapes = shapes(&entries);
        if shapes > SHAPES {
            self.report.fail("limits", format!("{shapes} different sets of claim names, more than {SHAPES}"));
        }
        Some(State { entries, cursor, etag })
    }

    /// All pages of an answer from its first one on: entries, and the last cursor.
    async fn pages(
        &mut self,
        mut page: Page,
        from: Option<&str>,
        what: &str,
    ) -> Option<(Vec<Value>, Option<String>)> {
        let mut seen: HashSet<String> = from.map(str::to_owned).into_iter().collect();
        let mut entries = Vec::new();
        let mut number = 1;
        loop {
            if from.is_none() && !page.full {
                self.report.fail("full", format!("page {number} of the full state lacks `full: true`"));
            }
            entries.append(&mut page.entries);
            if !page.more {
                return Some((entries, page.cursor));
            }
            let Some(cursor) = page.cursor else {
                self.report.fail("paging", format!("{what}: page {number} says `more` without a `cursor`"));
                return None;
            };
            if !seen.insert(cursor.clone()) || number == PAGES {
                let words = format!("{what}: page {number} leads back to an earlier one, or there is no end");
                self.report.fail("paging", words);
                return None;
            }
            number += 1;
            let what = format!("{what}, page {number}");
            let question = Question { cursor: Some(&cursor), ..Question::default() };
            let answer = self.ask(question, &what).await?;
            page = self.page(&answer, &what)?;
            if page.resync {
                self.report.fail("paging", format!("{what}: the cursor for it is not known"));
                return None;
            }
        }
    }

    /// What is new since `cursor`: entries, and the last cursor.
    async fn delta(&mut self, cursor: &str, what: &str) -> Option<(Vec<Value>, Option<String>)> {
        let question = Question { cursor: Some(cursor), ..Question::default() };
        let answer = self.ask(question, what).await?;
        if answer.status != 200 {
            let words = format!("{what}: status {} for a cursor that was just given out", answer.status);
            self.report.fail("delta", words);
            return None;
        }
        let page = self.page(&answer, what)?;
        if page.resync {
            self.report.fail("delta", format!("{what}: `resync` for a cursor that was just given out"));
            return None;
        }
        self.pages(page, Some(cursor), what).await
    }

    /// Everything about cursors. The latest one.
    async fn deltas(&mut self, first: &State, cursor: &str) -> Option<String> {
        self.report.ok("cursor", "given with the full state");
        let (once, _) = self.delta(cursor, "delta").await?;
        let (again, mut latest) = self.delta(cursor, "the same delta again").await?;
        self.report.ok_unless_said("delta", "answered from the cursor of the full state");
        let again = texts(&again);
        match once.iter().find(|entry| !again.contains(&entry.to_string())) {
            None => self.report.ok("delta-again", "the same cursor gives the same, or more"),
            Some(_) => self.report.fail("delta-again", "an entry of the first answer was not in the second"),
        }
        self.unknown_cursors(cursor).await;

        self.news().await;
        let second = self.full_state().await?;
        let (news, after) = self.delta(cursor, "delta").await?;
        latest = after.or(latest);
        let (before, news) = (texts(&first.entries), texts(&news));
        let added: Vec<_> =
            second.entries.iter().filter(|entry| !before.contains(&entry.to_string())).collect();
        match added.iter().find(|entry| !news.contains(&entry.to_string())) {
            Some(lost) => {
                let words = "is in the full state, but never came by cursor:";
                self.report
                    .fail("delta-complete", format!("a new entry {words} {}", shorten(&lost.to_string())));
            }
            None if added.is_empty() => {
                let words = "nothing was revoked meanwhile: revoke something while it runs with --watch 30";
                self.report.skip("delta-complete", words);
            }
            None => self.report.ok("delta-complete", format!("{} new, all by cursor", added.len())),
        }
        if latest.is_none() {
            self.report.warn("cursor", "a delta came without one: all is asked for after it");
        }
        latest
    }

    async fn news(&self) {
        match &self.options.news {
            News::Chance => {}
            News::Within(time) => {
                eprintln!("revoke something now: {time:?} left");
                self.options.clock.sleep(*time).await;
            }
            News::Made(make) => make(),
        }
    }
}

fn texts(entries: &[Value]) -> HashSet<String> {
    entries.iter().map(Value::to_string).collect()
}

/// The page within a signed one. Its signature is for those who have the issuer's keys.
pub(crate) fn payload(body: &[u8]) -> Result<Vec<u8>, &'static str> {
    let decode = |part: &[u8]| URL_SAFE_NO_PAD.decode_to_vec(part).ok();
    let parts: Vec<_> = body.split(|byte| *byte == b'.').collect();
    let [header, payload, _] = parts.as_slice() else { return Err("not a compact JWS") };
    let header = decode(header).and_then(|header| serde_json::from_slice::<Value>(&header).ok());
    let header = header.ok_or("its header is not JSON")?;
    let word = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
    let typ = word("typ").to_ascii_lowercase();
    if typ.strip_prefix("application/").unwrap_or(&typ) != "revocation-feed+jwt" {
        return Err("`typ` is not revocation-feed+jwt");
    }
    match word("alg") {
        "" | "none" | "HS256" | "HS384" | "HS512" => Err("`alg` is not a signature by the issuer's key"),
        _ => decode(payload).ok_or("its payload is not base64url"),
    }
}
