//! Questions beside the way of a reader: what else the feed can do, and what it does with what is wrong.

use std::time::Duration;

use crate::ask::{Answer, JSON, Question, SIGNED};
use crate::check::{Checker, SLACK, State, payload};
use crate::page::{Page, shorten};

/// Smaller bodies fit in a packet or two however they are sent.
const WORTH_COMPRESSING: usize = 1400;

impl Checker<'_> {
    /// A made-up cursor, and one that this server may give out one day: a restored backup meets such.
    pub(crate) async fn unknown_cursors(&mut self, cursor: &str) {
        let stem = cursor.trim_end_matches(|character: char| character.is_ascii_digit());
        let number = cursor.get(stem.len()..).and_then(|digits| digits.parse::<u64>().ok());
        let ahead = number.map(|number| format!("{stem}{}", number.saturating_add(1_000_000_000)));
        for (made_up, what) in
            [(Some("feed-check-made-up".to_owned()), "a made-up cursor"), (ahead, "a cursor far ahead")]
        {
            let Some(made_up) = made_up else { continue };
            let question = Question { cursor: Some(&made_up), ..Question::default() };
            let Some(answer) = self.ask(question, what).await else { continue };
            match answer.status {
                410 => {}
                200 if is_page(&answer) => match page_of(&answer) {
                    Some(page) if page.resync => {}
                    Some(page) if page.full => {
                        let words = "gets the full state: that works, but 410 says why";
                        self.report.warn("unknown-cursor", format!("{what} {words}"));
                    }
                    _ => {
                        let words = "gets 200 and a delta: revocations are lost in silence; answer 410";
                        self.report.fail("unknown-cursor", format!("{what} {words}"));
                    }
                },
                200 => {
                    let media_type = shorten(&answer.media_type());
                    self.report.fail("errors", format!("{what} gets 200 with `{media_type}`"));
                }
                400..=499 => {
                    let words =
                        format!("gets {}, which is a failure; 410 starts over at once", answer.status);
                    self.report.warn("unknown-cursor", format!("{what} {words}"));
                }
                status => self.report.fail("unknown-cursor", format!("{what} gets {status}; answer 410")),
            }
        }
        self.report.ok_unless_said("unknown-cursor", "410 or `resync`");
    }

    pub(crate) async fn heartbeat(&mut self, cursor: Option<&str>) {
        let before = self.as_of;
        self.options.clock.sleep(Duration::from_secs(3)).await;
        let question = Question { cursor, ..Question::default() };
        let Some(answer) = self.ask(question, "heartbeat").await else { return };
        let Some(page) = self.page(&answer, "heartbeat") else { return };
        match (before, page.as_of) {
            (Some(before), Some(now)) if now > before => {
                self.report.ok("heartbeat", "`as_of` moves on while nothing happens");
            }
            (Some(before), Some(now)) if now >= before - SLACK => {
                self.report.fail("heartbeat", "`as_of` stood still for 3 s: the feed would grow stale");
            }
            // Said under another name.
            _ => self.report.skip("heartbeat", "`as_of` cannot be relied on"),
        }
    }

    pub(crate) async fn wait(&mut self, cursor: &str) {
        let wait = self.options.wait;
        let question = Question { cursor: Some(cursor), wait: Some(wait), ..Question::default() };
        let answer = match self.asker.ask(question).await {
            Ok(answer) => answer,
            Err(words) => return self.report.fail("wait", format!("wait={wait}: {words}")),
        };
        if answer.status != 200 {
            let words =
                format!("wait={wait}: status {}; a server that cannot wait ignores it", answer.status);
            return self.report.fail("wait", words);
        }
        let Some(page) = self.page(&answer, "long poll") else { return };
        let (held, asked) = (answer.took, Duration::from_secs(wait));
        let took = format!("wait={wait} was answered after {} ms", held.as_millis());
        if held > asked + self.options.grace {
            self.report.fail("wait", format!("{took}: too late"));
        } else if !page.entries.is_empty() {
            self.report.ok("wait", format!("{took}, with news"));
        } else if held < asked.mul_f64(0.8) {
            self.report.warn("wait", format!("{took} with nothing new: it is not held open"));
        } else {
            self.report.ok("wait", took);
        }
    }

    pub(crate) async fn entity_tag(&mut self, state: &State) {
        let Some(etag) = &state.etag else {
            return self.report.skip("etag", "the full state has no `ETag`");
        };
        let question = Question { known: Some(etag), ..Question::default() };
        let Some(answer) = self.ask(question, "If-None-Match").await else { return };
        let date = answer.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        match answer.status {
            304 if date.is_none() => {
                self.report.fail("etag", "304 without a `Date`: it does not tell how old it is");
            }
            304 => self.report.ok("etag", "304 with a `Date`"),
            200 => self.report.ok("etag", "200: there was something new, or each answer is whole"),
            status => self.report.fail("etag", format!("If-None-Match was answered with {status}")),
        }
    }

    pub(crate) async fn compression(&mut self) {
        let question = Question { raw: true, ..Question::default() };
        let Some(answer) = self.ask(question, "Accept-Encoding: gzip").await else { return };
        let encoding = answer.header("content-encoding").unwrap_or_default();
        if encoding.eq_ignore_ascii_case("gzip") {
            self.report.ok("gzip", format!("{} bytes on the wire", answer.body.len()));
        } else if answer.body.len() < WORTH_COMPRESSING {
            self.report.skip("gzip", "the full state is too small for it to matter");
        } else {
            self.report.warn("gzip", format!("{} bytes, not compressed", answer.body.len()));
        }
    }

    pub(crate) async fn anonymous(&mut self) {
        if !self.asker.has_credentials() {
            return self.report.skip("auth", "no credentials were given: whoever reaches the feed reads it");
        }
        let question = Question { anonymous: true, ..Question::default() };
        let Some(answer) = self.ask(question, "without credentials").await else { return };
        match answer.status {
            200 if is_page(&answer) => self.report.warn("auth", "the feed answers without credentials too"),
            200 => {
                let media_type = shorten(&answer.media_type());
                self.report.fail("errors", format!("without credentials: 200 with `{media_type}`"));
            }
            401 | 403 => self.report.ok("auth", format!("refused without credentials ({})", answer.status)),
            status => self.report.warn("auth", format!("without credentials: {status}, not 401")),
        }
    }

    pub(crate) async fn signed(&mut self) {
        let question = Question { signed: true, ..Question::default() };
        let Some(answer) = self.ask(question, "signed full state").await else { return };
        if answer.status != 200 || answer.media_type() != SIGNED {
            return self.report.skip("signed", "signed pages are not offered");
        }
        if self.page(&answer, "signed full state").is_some() {
            self.report.ok_unless_said("signed", "typ and page are right (the signature was not verified)");
        }
    }
}

fn is_page(answer: &Answer) -> bool {
    [JSON, SIGNED].contains(&answer.media_type().as_str())
}

/// The page that an answer is, signed or not, without a word on what is wrong with it.
fn page_of(answer: &Answer) -> Option<Page> {
    if answer.media_type() == SIGNED {
        return Page::read(&payload(&answer.body).ok()?, &mut Vec::new());
    }
    Page::read(&answer.body, &mut Vec::new())
}
