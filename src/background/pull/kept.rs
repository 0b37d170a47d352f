//! The snapshot of a source: taken up once at the beginning, and kept from then on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::ask::off_thread;
use super::super::snapshot::{Answered, Restored, Snapshot, SnapshotError};
use super::{Complete, Puller};
use crate::clock::Now;
use crate::limits;
use crate::revocation::Revocations;
use crate::revocation::export::ImportError;

/// Disks are slow: nobody waits for them on a thread that serves requests.
const ON_DISK: usize = usize::MAX;

pub(in crate::background) fn lock(snapshot: &Mutex<Snapshot>) -> MutexGuard<'_, Snapshot> {
    snapshot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Puller {
    /// Takes up what an earlier process has left. Nobody is admitted before; where there is nothing, or nothing that can be
    /// relied on, nobody is admitted before a complete answer.
    pub(super) async fn restore(&mut self) {
        let Some(snapshot) = self.snapshot.clone().filter(|_| !std::mem::replace(&mut self.restored, true))
        else {
            return;
        };
        let (revocations, now) = (Arc::clone(&self.revocations), self.around.clock.now());
        let work = move || {
            let mut snapshot = lock(&snapshot);
            let restored = snapshot.load().and_then(|restored| {
                restored.map(|restored| put_in_force(restored, &revocations, now, &snapshot)).transpose()
            });
            (restored.map(Option::flatten), snapshot.check_kept())
        };
        let Ok((restored, kept)) = off_thread(ON_DISK, work).await else { return };
        match restored {
            Ok(None) => self.intake.note_snapshot(kept.err()),
            Ok(Some(answered)) => {
                self.intake.note_snapshot(kept.err());
                self.rely_on(answered, now);
                self.around.news.send_replace(());
            }
            Err(error) => self.intake.note_snapshot(Some(error)),
        }
    }

    /// The state is as old as its last complete answer, by the wall clock, which is all that the two processes share.
    fn rely_on(&mut self, answered: Answered, now: Now) {
        let (issuer, source) = (&self.issuer.name, self.source());
        let age = now.wall.since(answered.confirmed);
        if answered.confirmed > now.wall.plus(limits::AS_OF_SLACK) {
            tracing::warn!(%issuer, source, "the snapshot is from the future: its entries are in force, and its age is not known");
        } else {
            tracing::info!(%issuer, source, ?age, "revocations are known from the snapshot");
            // It makes nothing good that a task of this process has lost: after it, everything is asked for.
            self.revocations.freshness.confirm_aged(now.uptime, age, !self.replaces);
        }
        self.hole = self.replaces.then(|| now.uptime.saturating_add(limits::LONG_POLL_PAUSE));
        self.cursor = answered.cursor;
    }

    /// Whether requests can be judged by what an earlier process has left.
    pub(super) fn is_known(&self) -> bool {
        self.restored && self.revocations.freshness.suffices(self.around.clock.uptime(), None).is_ok()
    }

    /// After a complete answer, or one of which something was not understood.
    pub(super) async fn keep(&self, complete: Option<&Complete>) {
        let Some(snapshot) = self.snapshot.clone() else { return };
        let now = self.around.clock.now();
        let answered = complete.filter(|_| self.hole.is_none()).map(|complete| Answered {
            cursor: self.cursor.clone(),
            confirmed: now.wall.minus(now.uptime.saturating_sub(complete.told)).minus(complete.age),
        });
        let (revocations, often) = (Arc::clone(&self.revocations), self.common.max_staleness / 8);
        let work = move || {
            let mut snapshot = lock(&snapshot);
            match &answered {
                Some(answered) => snapshot.note_answer(answered, often)?,
                None => snapshot.note_flaw()?,
            }
            snapshot.settle()?;
            // While something is not understood only what is in step with the files: the journal must not grow for ever,
            // and ends that have moved must get into an image.
            if (answered.is_some() || snapshot.is_in_step()) && snapshot.is_due(now.wall) {
                snapshot.replace(&revocations.export(now), answered.as_ref(), now.wall)?;
            }
            snapshot.check_kept()
        };
        if let Ok(outcome) = off_thread(ON_DISK, work).await {
            self.intake.note_snapshot(outcome.err());
        }
    }
}

/// None where this process knows more already: a task that takes the place of another.
fn put_in_force(
    restored: Restored,
    revocations: &Revocations,
    now: Now,
    snapshot: &Snapshot,
) -> Result<Option<Answered>, SnapshotError> {
    match revocations.import(&restored.exported, now) {
        Ok(()) => {}
        Err(ImportError::NotEmpty) => return Ok(None),
        Err(error) => return Err(SnapshotError::Unusable { path: snapshot.shown(), error }),
    }
    let mut answered = restored.answered;
    for (as_of, entries) in restored.entries {
        if revocations.apply(&entries, as_of, now).is_err() {
            answered = None;
        }
    }
    Ok(answered)
}
