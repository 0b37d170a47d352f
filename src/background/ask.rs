//! One question to a source, whatever kind it is of.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use url::Url;

use super::Surroundings;
use super::auth0::{Follower, Round};
use super::client_token::ClientToken;
use super::fetch::{Answer, Question};
use super::list;
use super::pull_error::PullError;
use super::signed;
use super::source::{ClientCredentials, Pulled, Shared};
use crate::clock::UnixTime;
use crate::issuer::TrustedIssuer;
use crate::keys::bell::Answer as Rung;
use crate::limits;
use crate::redact::Secret;

/// Where to ask, checked.
#[derive(Clone)]
pub(crate) enum Target {
    Feed { url: Url, credentials: Checked, signed: bool },
    ListUrl { url: Url, credentials: Checked, claim: Box<str> },
    ListFile { path: PathBuf, claim: Box<str> },
    Auth0(Follower),
    Polled { source: Shared, patience: Duration },
}

/// Credentials, with the token endpoint where the operator named one.
#[derive(Clone, Debug)]
pub(crate) enum Checked {
    None,
    Fixed(Secret),
    Client(ClientCredentials, Option<Url>),
}

/// What to ask.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// None to ask for everything.
    pub(super) cursor: Option<&'a str>,
    /// The `ETag` of everything as it is known.
    pub(super) known: Option<&'a str>,
    /// For how long the server may hold the question.
    pub(super) hold: Option<Duration>,
    /// Until the answer must have come.
    pub(super) within: Duration,
}

/// What came back for one question.
pub(super) enum Reply {
    /// Nothing has changed; when that was said, by the server's own time, where it has one.
    Unchanged {
        date: Option<UnixTime>,
    },
    StartOver,
    Page {
        content: Content,
        etag: Option<String>,
    },
    /// What could be had of an answer, and why that is not all.
    Broken {
        content: Content,
        error: PullError,
    },
}

/// An answer, still in the form of its source.
pub(super) enum Content {
    /// Bytes of the native feed.
    Page(Vec<u8>),
    List {
        items: Vec<Box<str>>,
        claim: Box<str>,
        date: Option<UnixTime>,
    },
    Pulled(Pulled),
}

/// Asks.
pub(super) struct Asker {
    target: Target,
    issuer: Arc<TrustedIssuer>,
    around: Surroundings,
    token: Option<ClientToken>,
    /// A list that was read, until when it need not be read again.
    read: Option<Read>,
    /// How long it may stay unread.
    reread_after: Duration,
}

/// A list that was read.
struct Read {
    at: Duration,
    digest: Vec<u8>,
    etag: Option<String>,
}

impl Asker {
    /// Lists are read again after `reread_after`, also where they have not changed.
    pub(super) fn new(
        target: Target,
        issuer: Arc<TrustedIssuer>,
        around: Surroundings,
        reread_after: Duration,
    ) -> Self {
        let token = match &target {
            Target::Feed { credentials: Checked::Client(client, endpoint), .. }
            | Target::ListUrl { credentials: Checked::Client(client, endpoint), .. } => {
                Some(ClientToken::new(client.clone(), endpoint.clone()))
            }
            _ => None,
        };
        Self { target, issuer, around, token, read: None, reread_after }
    }

    /// The next answer is to be read, also if it is the last one again.
    pub(super) fn forget(&mut self) {
        self.read = None;
        if let Target::Auth0(follower) = &self.target {
            follower.forget();
        }
    }

    pub(super) async fn ask(&mut self, place: Place<'_>) -> Result<Reply, PullError> {
        match self.target.clone() {
            Target::Feed { url, signed, .. } => self.ask_feed(url, signed, place).await,
            Target::ListUrl { url, claim, .. } => self.ask_list(url, claim, place).await,
            Target::ListFile { path, claim } => self.read_file(path, claim).await,
            Target::Auth0(follower) => {
                let round = Round { issuer: &self.issuer.name, around: &self.around, within: place.within };
                Ok(follower.pull(place.cursor, &round).await)
            }
            Target::Polled { source, patience } => {
                tokio::select! {
                    biased;
                    pulled = source.pull(place.cursor) => {
                        let content = Content::Pulled(pulled.map_err(PullError::Source)?);
                        Ok(Reply::Page { content, etag: None })
                    }
                    () = self.around.clock.sleep(patience) => Err(PullError::TooLong),
                }
            }
        }
    }

    async fn ask_feed(&mut self, mut url: Url, signed: bool, place: Place<'_>) -> Result<Reply, PullError> {
        if let Some(cursor) = place.cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        if let Some(hold) = place.hold {
            url.query_pairs_mut().append_pair("wait", &hold.as_secs().to_string());
        }
        let accept = if signed { signed::MEDIA_TYPE } else { "application/json" };
        // A 304 is signed by nobody, and would keep a feed fresh in which nothing is heard.
        let known = place.known.filter(|_| place.cursor.is_none() && !signed);
        let answer = self.fetch(&url, accept, limits::FEED_PAGE_BYTES, known, place.within).await?;
        let Answer { status, etag, date, body, content_type, retry_after, .. } = answer;
        match status {
            200 => {
                let content = Content::Page(if signed {
                    self.open(content_type.as_deref(), body).await?
                } else {
                    body
                });
                Ok(Reply::Page { content, etag })
            }
            304 if known.is_some() => match date {
                Some(date) => Ok(Reply::Unchanged { date: Some(date) }),
                None => Err(PullError::Undated),
            },
            410 if place.cursor.is_some() => Ok(Reply::StartOver),
            status => Err(PullError::Status { status, retry_after }),
        }
    }

    /// The page in a signed answer. A key that is not known yet is looked for once, as for tokens.
    async fn open(&self, content_type: Option<&str>, body: Vec<u8>) -> Result<Vec<u8>, PullError> {
        let media = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case(signed::MEDIA_TYPE) {
            return Err(signed::SignedError::NotSigned.into());
        }
        let header = signed::header(&body, self.issuer.rules.algorithms)?;
        let (ring, clock) = (&self.issuer.keys, &self.around.clock);
        let there = || ring.current(clock.uptime()).is_some_and(|keys| header.fits(&keys));
        if !there() && !ring.is_fixed() {
            let rung = ring.bell.wait(header.kid.as_deref(), clock.as_ref(), there).await;
            if rung == Rung::Unanswered {
                return Err(signed::SignedError::NoKeys.into());
            }
        }
        let keys = ring.current(clock.uptime()).ok_or(signed::SignedError::NoKeys)?;
        let keys = Arc::clone(&keys);
        off_thread(body.len(), move || header.open(&body, &keys)).await?.map_err(PullError::from)
    }

    async fn ask_list(&mut self, url: Url, claim: Box<str>, place: Place<'_>) -> Result<Reply, PullError> {
        self.forget_in_time();
        let known = self.read.as_ref().and_then(|read| read.etag.clone());
        let accept = "text/plain, application/json";
        let answer = self.fetch(&url, accept, limits::LIST_BYTES, known.as_deref(), place.within).await?;
        match answer.status {
            200 => {
                list::check_content_type(answer.content_type.as_deref())?;
                // Without a date, a 304 could not be told from an old one.
                let etag = answer.etag.filter(|_| answer.date.is_some());
                self.take_list(answer.body, claim, answer.date, etag).await
            }
            304 if known.is_some() => match answer.date {
                Some(date) => Ok(Reply::Unchanged { date: Some(date) }),
                None => Err(PullError::Undated),
            },
            status => Err(PullError::Status { status, retry_after: answer.retry_after }),
        }
    }

    async fn read_file(&mut self, path: PathBuf, claim: Box<str>) -> Result<Reply, PullError> {
        self.forget_in_time();
        let body = off_thread(usize::MAX, move || list::read_file(&path)).await??;
        self.take_list(body, claim, None, None).await
    }

    /// What has the same bytes as before is not read again, until its entries need their ends moved.
    async fn take_list(
        &mut self,
        body: Vec<u8>,
        claim: Box<str>,
        date: Option<UnixTime>,
        etag: Option<String>,
    ) -> Result<Reply, PullError> {
        let read = move || {
            let digest = digest(&SHA256, &body).as_ref().to_vec();
            (digest, list::parse(&body))
        };
        let (digest, items) = off_thread(usize::MAX, read).await?;
        let items = items?;
        if self.read.as_ref().is_some_and(|read| read.digest == digest) {
            return Ok(Reply::Unchanged { date });
        }
        self.read = Some(Read { at: self.around.clock.uptime(), digest, etag });
        Ok(Reply::Page { content: Content::List { items, claim, date }, etag: None })
    }

    /// An entry of a list ends some time after it was read: it is read again in the middle of that.
    fn forget_in_time(&mut self) {
        let now = self.around.clock.uptime();
        self.read = self.read.take().filter(|read| now.saturating_sub(read.at) < self.reread_after);
    }

    /// Asks over HTTP, with what the source demands; a token that is refused is renewed once.
    async fn fetch(
        &mut self,
        url: &Url,
        accept: &'static str,
        limit: usize,
        known: Option<&str>,
        within: Duration,
    ) -> Result<Answer, PullError> {
        let mut renewed = false;
        loop {
            let fetched = match &mut self.token {
                Some(token) => Some(token.get(&self.issuer.name, &self.around).await?),
                None => None,
            };
            let fixed = match &self.target {
                Target::Feed { credentials: Checked::Fixed(fixed), .. }
                | Target::ListUrl { credentials: Checked::Fixed(fixed), .. } => Some(fixed),
                _ => None,
            };
            let authorization = fetched.as_ref().or(fixed);
            let question = Question { url, accept, limit, authorization, known, form: None, within };
            let answer = self.around.fetcher.ask(question).await?;
            match &mut self.token {
                Some(token) if answer.status == 401 => token.forget(),
                _ => return Ok(answer),
            }
            if renewed {
                return Ok(answer);
            }
            renewed = true;
        }
    }
}

/// Work on large bodies is done where it blocks no request.
pub(super) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PullError> {
    if bytes <= limits::FEED_INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| PullError::Lost(error.to_string()))
}
