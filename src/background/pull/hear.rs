//! What a source says beside the polls, taken in when it is said.

use std::pin::pin;
use std::time::Duration;

use super::super::ask::{Content, Reply};
use super::super::auth0::{Ear, News};
use super::super::pull_error::PullError;
use super::intake::Intake;
use super::{Complete, Puller};

/// Waits for `future`, and takes in what is heard meanwhile. However much that is, the future goes on.
pub(super) async fn while_hearing<T>(
    ear: &mut Option<Ear>,
    intake: &mut Intake,
    future: impl Future<Output = T>,
) -> Result<T, PullError> {
    let Some(ear) = ear else { return Ok(future.await) };
    let mut future = pin!(future);
    loop {
        match ear.next_before(future.as_mut()).await {
            Ok(output) => return Ok(output),
            Err(News { pulled, .. }) => intake.take_in(Content::Pulled(pulled)).await?,
        };
    }
}

/// A complete answer of the polled parts, beside a stream that has told everything up to `told`.
fn as_old_as_its_stream(parts: Complete, told: Duration) -> Complete {
    Complete { age: parts.age.max(parts.told.saturating_sub(told)), ..parts }
}

impl Puller {
    /// Until the next poll. What is heard meanwhile does not put it off.
    pub(super) async fn rest(&mut self, pause: Duration) {
        let mut sleep = self.around.clock.sleep(pause);
        loop {
            let Some(ear) = &mut self.ear else { return sleep.await };
            match ear.next_before(sleep.as_mut()).await {
                Ok(()) => return,
                Err(news) => self.hear(news).await,
            }
        }
    }

    /// Before the stream has told anything, no answer is complete.
    pub(super) async fn with_first_sign(
        &mut self,
        reply: Result<Reply, PullError>,
        within: Duration,
    ) -> Result<Reply, PullError> {
        let Some(ear) = &mut self.ear else { return reply };
        let first = ear.start(&self.issuer, &self.around, within);
        let first = while_hearing(&mut self.ear, &mut self.intake, first).await?;
        match (reply?, first) {
            (Reply::Page { content, .. }, Err(error)) => Ok(Reply::Broken { content, error: error.into() }),
            (reply, _) => Ok(reply),
        }
    }

    /// After a complete answer of the polled parts: takes in what was heard until now, and says how old the whole is.
    pub(super) async fn with_stream(&mut self, parts: Complete) -> Result<Complete, PullError> {
        let Some(ear) = &mut self.ear else { return Ok(parts) };
        let News { pulled, told } = ear.rest();
        let told = told.ok_or(PullError::TooLong)?;
        self.intake.take_in(Content::Pulled(pulled)).await?;
        if self.intake.flaw.is_some() {
            return Ok(parts);
        }
        self.cursor = Some(ear.cursor().await);
        self.parts = Some(parts);
        Ok(as_old_as_its_stream(parts, told))
    }

    /// Says why the stream is not read, where nothing worse is to be said.
    pub(super) fn note_stream(&self) {
        if let Some(trouble) = self.ear.as_ref().and_then(Ear::trouble) {
            self.revocations.freshness.note_trouble(trouble);
        }
    }

    /// Between two polls.
    async fn hear(&mut self, News { pulled, told }: News) {
        let outcome = self.intake.take_in(Content::Pulled(pulled)).await;
        match self.intake.flaw.take().or_else(|| outcome.err()) {
            Some(error) => {
                self.fail(&error, false);
                self.keep(None).await;
            }
            None => self.go_on(told).await,
        }
        self.tell();
        self.around.news.send_replace(());
    }

    /// The source is as old as its oldest part, and goes on from here after a restart.
    async fn go_on(&mut self, told: Option<Duration>) {
        let (Some(ear), Some(parts), Some(told)) = (&self.ear, self.parts, told) else { return };
        // Polls that fail say so themselves, and when that is over.
        if !self.healthy || self.hole.is_some() || self.cursor.is_none() {
            return;
        }
        self.cursor = Some(ear.cursor().await);
        let complete = as_old_as_its_stream(parts, told);
        self.revocations.freshness.confirm_aged(complete.told, complete.age, false);
        self.note_stream();
        self.keep(Some(&complete)).await;
    }
}
