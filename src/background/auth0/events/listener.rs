//! The task that keeps the stream open.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use url::Url;

use super::super::Round;
use super::super::call::{Call, Caller};
use super::super::date;
use super::connection::{End, Open, is_offset};
use super::meaning::{self, Meaning};
use super::sse::Message;
use super::{Auth0Error, Ended, Events, Heard, NAME, Place, Signs};
use crate::background::Surroundings;
use crate::background::backoff::Backoff;
use crate::background::fetch::Flow;
use crate::clock::UnixTime;
use crate::issuer::TrustedIssuer;
use crate::limits;
use crate::revocation::stated::Revocation;

pub(super) struct Listener {
    events: Arc<Events>,
    caller: Caller,
    issuer: Arc<TrustedIssuer>,
    around: Surroundings,
    to: mpsc::Sender<Heard>,
    signs: watch::Sender<Signs>,
    /// A stream that says nothing for this long is opened again.
    silence: Duration,
    /// The longest pause after failures.
    longest: Duration,
    /// From where to go on.
    place: Option<Place>,
    /// It cannot go on from there: what has happened since is not told by anybody.
    lost: bool,
    /// What the server wants to be left alone for.
    retry: Duration,
    backoff: Backoff,
}

impl Listener {
    pub(super) fn new(
        events: Arc<Events>,
        issuer: Arc<TrustedIssuer>,
        around: Surroundings,
        to: mpsc::Sender<Heard>,
        signs: watch::Sender<Signs>,
    ) -> Self {
        Self {
            caller: events.caller.clone(),
            place: events.place(),
            silence: events.max_staleness / 3,
            longest: (events.max_staleness / 4).min(limits::BACKOFF_LONGEST),
            lost: false,
            retry: limits::EVENTS_RETRY,
            backoff: Backoff::default(),
            events,
            issuer,
            around,
            to,
            signs,
        }
    }

    /// Runs until it is aborted.
    pub(super) async fn run(mut self) {
        loop {
            let began = self.around.clock.uptime();
            let end = self.listen().await;
            let lived = self.around.clock.uptime().saturating_sub(began);
            if lived >= self.silence {
                self.backoff.reset();
            }
            let pause = match &end {
                End::Usual if lived >= self.silence => self.retry.min(self.silence / 2),
                End::Usual => self.backoff.pause(self.longest).max(self.retry.min(self.silence / 2)),
                End::Lost => self.backoff.pause(self.longest),
                // The wait is over.
                End::Failed(Auth0Error::Silent { .. }) => Duration::ZERO,
                End::Failed(error) => {
                    self.backoff.pause(self.longest).max(error.retry_after().min(self.silence))
                }
            };
            match end {
                End::Usual => {}
                End::Lost => {
                    self.lost = true;
                    let issuer = &self.issuer.name;
                    tracing::warn!(%issuer, "the stream of events cannot go on from where it was: what has happened since is not known");
                }
                End::Failed(error) => self.note_trouble(error),
            }
            self.around.clock.sleep(pause).await;
        }
    }

    fn note_trouble(&self, error: Auth0Error) {
        if self.signs.borrow().trouble.is_none() {
            tracing::warn!(issuer = %self.issuer.name, %error, "the stream of events is not read; what is known stays");
        }
        self.signs.send_modify(|signs| signs.trouble = Some(error));
    }

    /// One connection, from its beginning to its end.
    async fn listen(&mut self) -> End {
        let asked = self.around.clock.uptime();
        self.caller.begin(asked);
        let place = self.place.clone().filter(|_| !self.lost);
        let url = self.url(place.as_ref());
        let last = match &place {
            Some(Place::After(offset)) => Some(offset.as_str()),
            Some(Place::Since(_)) | None => None,
        };
        let within = self.around.fetcher.within();
        let call = Call { url: &url, name: NAME, scope: "read:events", limit: 0 };
        let round = Round { issuer: &self.issuer.name, around: &self.around, within };
        let (answer, flow) = match self.caller.open(&call, last, &round).await {
            Ok(opened) => opened,
            // Whatever is wrong with the place: without it, the next answer shows that the rest was right.
            Err(Auth0Error::Status { status: 400 | 410, .. }) if place.is_some() => return End::Lost,
            Err(error) => return End::Failed(error),
        };
        let media =
            answer.content_type.as_deref().and_then(|text| text.split(';').next()).unwrap_or_default();
        if !media.trim().eq_ignore_ascii_case("text/event-stream") {
            return End::Failed(Auth0Error::Unreadable { call: NAME });
        }
        let Some(made) = answer.date else { return End::Failed(Auth0Error::Undated { call: NAME }) };
        if place.is_none() {
            self.begin_at(made).await;
        }
        let seen = self.around.clock.uptime();
        self.read(Open::new(made, asked, seen, place.is_none()), flow).await
    }

    fn url(&self, place: Option<&Place>) -> Url {
        let mut url = self.events.url.clone();
        for kind in meaning::KINDS {
            url.query_pairs_mut().append_pair("event_type", kind);
        }
        if let Some(Place::Since(second)) = place {
            url.query_pairs_mut().append_pair("from_timestamp", &date::write(*second));
        }
        url
    }

    /// Everything from `made` on will be told. Where something is missing before it, nobody's tokens can be told from good
    /// ones.
    async fn begin_at(&mut self, made: UnixTime) {
        let mut revocations = Vec::new();
        if std::mem::take(&mut self.lost) {
            // It may begin a moment after its date was written.
            revocations = self.events.everybody(made.plus(Duration::from_secs(1)));
            tracing::warn!(issuer = %self.issuer.name, "events were missed: the tokens given out until now are cut off, for all audiences of the source");
        }
        let place = Some(Place::Since(made.as_secs()));
        self.place.clone_from(&place);
        self.say(Heard { revocations, place }).await;
    }

    /// Reads until the end.
    async fn read(&mut self, mut open: Open, mut flow: Flow) -> End {
        let clock = Arc::clone(&self.around.clock);
        loop {
            let quiet = open.may_settle();
            let patience = if quiet { limits::EVENTS_QUIET } else { self.silence };
            let over = open.seen.saturating_add(patience).saturating_sub(clock.uptime());
            tokio::select! {
                biased;
                part = flow.next() => match part {
                    Ok(Some(part)) => {
                        if let Err(end) = self.take(&mut open, &part).await {
                            return open.closed(end);
                        }
                    }
                    Ok(None) => return open.closed(End::Usual),
                    Err(error) => return End::Failed(Auth0Error::Fetch { call: NAME, error }),
                },
                () = clock.sleep(over) => {
                    if !quiet {
                        return End::Failed(Auth0Error::Silent { call: NAME, silence: self.silence });
                    }
                    open.settled = true;
                    self.note_sign(open.seen);
                    // Whoever takes it in may count as fresh again.
                    self.say(Heard::default()).await;
                }
            }
        }
    }

    async fn take(&mut self, open: &mut Open, part: &[u8]) -> Result<(), End> {
        let before = open.parser.lines;
        let mut messages = Vec::new();
        open.parser.read(part, |message| messages.push(message));
        self.retry = open.parser.retry.unwrap_or(self.retry);
        let now = self.around.clock.uptime();
        // Half a message is no sign of life: it may never become a whole one.
        let is_whole = !messages.is_empty() || open.parser.is_between();
        for message in messages {
            self.hear(open, message, now).await?;
        }
        if open.parser.lines > before && is_whole {
            open.seen = now;
            if open.settled {
                self.note_sign(now);
            }
        }
        Ok(())
    }

    async fn hear(&mut self, open: &mut Open, message: Message, now: Duration) -> Result<(), End> {
        let server_now = open.server_now(now);
        let is_sane = |at: &UnixTime| *at <= server_now.plus(limits::SAID_AHEAD);
        let revocations = match meaning::of(&message) {
            Meaning::Nothing => Vec::new(),
            Meaning::Ends { claims, at } if is_sane(&at) => {
                // It is not told by which clock the stamp of the event was made, and by which that of the tokens.
                let at = at.plus(Duration::from_secs(1));
                let ended = Revocation::cut_off(at);
                vec![(claims.iter().fold(ended, |ended, (name, value)| ended.claim(name, value)), at)]
            }
            Meaning::Ends { .. } => self.unclear("an event", server_now),
            Meaning::Unclear { kind, at } => self.unclear(kind, at.filter(is_sane).unwrap_or(server_now)),
            Meaning::Over(code) => return Err(End::of(&code)),
        };
        // It tells where the stream is when there is nothing more to tell.
        open.settled |= message.kind == "offset-only";
        let place = message.id.filter(|id| is_offset(id)).map(Place::After);
        if place.is_some() {
            self.place.clone_from(&place);
        }
        self.say(Heard { revocations, place }).await;
        Ok(())
    }

    /// Somebody's access has ended, and nobody knows whose: everybody needs another token.
    fn unclear(&self, kind: &'static str, at: UnixTime) -> Vec<Ended> {
        tracing::warn!(issuer = %self.issuer.name, kind, "an event is not what Auth0 documents: the tokens given out until then are cut off, for all audiences of the source");
        self.events.everybody(at.plus(Duration::from_secs(1)))
    }

    async fn say(&self, heard: Heard) {
        // Whoever hears it outlives this task.
        let _ = self.to.send(heard).await;
    }

    fn note_sign(&self, at: Duration) {
        if self.signs.borrow().trouble.is_some() {
            tracing::info!(issuer = %self.issuer.name, "the stream of events is read again");
        }
        self.signs.send_modify(|signs| *signs = Signs { told: signs.told.max(Some(at)), trouble: None });
    }
}
