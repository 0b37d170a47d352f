//! Sources that users write themselves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::{Common, Kind, SourceSettings};
use crate::limits;
use crate::policy::WhenStale;
use crate::revocation::stated::Revocation;

/// Where revocations come from, if it is neither a feed nor a list: a database, a message log, an authorization server
/// with an API of its own. Used through [`Polled`].
///
/// ```
/// use tower_bearer::{Polled, Pulled, Revocation, RevocationSource, SourceError};
///
/// struct Blocked { /* a connection pool */ }
///
/// impl Blocked {
///     async fn rows_after(&mut self, id: u64) -> std::io::Result<Vec<(u64, String)>> {
///         Ok(vec![]) // SELECT id, jti FROM blocked WHERE id > $1 ORDER BY id
///     }
/// }
///
/// impl RevocationSource for Blocked {
///     async fn pull(&mut self, cursor: Option<&str>) -> Result<Pulled, SourceError> {
///         let after = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
///         let rows = self.rows_after(after).await.map_err(|_| SourceError::new("the database is away"))?;
///         let last = rows.last().map_or(after, |(id, _)| *id);
///         let revocations = rows.into_iter().map(|(_, jti)| Revocation::identifier("jti", jti));
///         let pulled = if cursor.is_none() { Pulled::whole(revocations) } else { Pulled::news(revocations) };
///         Ok(pulled.cursor(last.to_string()))
///     }
/// }
///
/// let source = Polled::new("blocked tokens", Blocked {});
/// ```
///
/// # The cost of each wrong answer
///
/// This crate believes what a source says, so a wrong word here lets a revoked token in, or keeps everybody out:
///
/// * **[`Pulled::whole`] for what is not everything in force**: what it lacks is not in force here, and the answer counts
///   as complete. Nothing will make up for it before the next whole answer. If half of it could be read, return an error.
/// * **[`Pulled::news`] where `cursor` was none**: refused, since nobody can know what came before.
/// * **An entry that is dropped** because it was odd: a revoked token is admitted until it expires. Pass it on as it is; an
///   entry that is not understood makes the source stale, which somebody will see.
/// * **A cursor that is too late** (taken before the rows were read, or from rows that may still be committed out of order):
///   what lies between is never asked for again. Too early costs nothing: an entry may come any number of times.
/// * **An error turned into an empty answer**: it says that there is nothing new, and so keeps the source fresh while it is
///   blind. Return the error: what is known stays in force, and grows old.
/// * **An age that is too young** ([`Pulled::age`], for answers from a cache or a replica): `max_staleness` then bounds less
///   than it says.
/// * **An `exp` that is too early**: the entry ends before its tokens do. Leave it out if it is not known.
/// * **A withdrawal that nobody made**: tokens come back. Leaving an entry out takes nothing back.
/// * **Never returning**: after a minute, or `max_staleness` if that is longer, the future is dropped and the answer counts
///   as failed. It must bear being dropped wherever it waits.
pub trait RevocationSource: Send + 'static {
    /// What is new since the answer that gave out `cursor`, or everything in force where there is none. A source that does
    /// not know a cursor any more answers with everything. Never called twice at once.
    fn pull(&mut self, cursor: Option<&str>) -> impl Future<Output = Result<Pulled, SourceError>> + Send;
}

/// One complete answer of a [`RevocationSource`].
#[derive(Clone, Debug)]
#[must_use = "it tells nothing before it is returned"]
pub struct Pulled {
    pub(in crate::background) revocations: Vec<Revocation>,
    pub(in crate::background) whole: bool,
    pub(in crate::background) cursor: Option<String>,
    pub(in crate::background) age: Duration,
    /// Ends of access, since the start, that were told by an id of which it is not known whose it is.
    pub(in crate::background) unnamed: u64,
}

impl Pulled {
    /// Everything in force.
    pub fn whole(revocations: impl IntoIterator<Item = Revocation>) -> Self {
        Self {
            revocations: revocations.into_iter().collect(),
            whole: true,
            cursor: None,
            age: Duration::ZERO,
            unnamed: 0,
        }
    }

    /// What is new since the cursor that was asked with; empty if there is nothing.
    pub fn news(revocations: impl IntoIterator<Item = Revocation>) -> Self {
        Self { whole: false, ..Self::whole(revocations) }
    }

    /// From where to ask on. Without one, the next question is for everything.
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// How old the answer was when the source was asked. Default: it is of that moment.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }
}

/// Why a [`RevocationSource`] has no answer. Its words are shown in health and logs, escaped and cut short: no secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct SourceError {
    words: String,
    pub(in crate::background) retry_after: Option<Duration>,
}

impl SourceError {
    /// In words for an operator.
    #[must_use]
    pub fn new(words: impl AsRef<str>) -> Self {
        let words = crate::redact::excerpt(words.as_ref(), limits::SOURCE_WORDS_BYTES);
        Self { words, retry_after: None }
    }

    /// Asks not to be asked again before this has passed; half of `max_staleness` is the most that is granted.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }
}

/// A [`RevocationSource`] with its settings.
///
/// ```
/// # use tower_bearer::{Polled, Pulled, RevocationSource, SourceError};
/// # struct Blocked;
/// # impl RevocationSource for Blocked {
/// #     async fn pull(&mut self, _: Option<&str>) -> Result<Pulled, SourceError> { Ok(Pulled::whole([])) }
/// # }
/// use std::time::Duration;
///
/// let source = Polled::new("blocked tokens", Blocked)
///     .poll_interval(Duration::from_secs(5))
///     .max_staleness(Duration::from_secs(60))
///     .identifier("device_id");
/// ```
#[derive(Clone)]
#[must_use = "a source does nothing before it is given to `Builder::revocation`"]
pub struct Polled {
    pub(crate) name: String,
    source: Shared,
    common: Common,
}

common_settings!(Polled, 1, 30);
entry_settings!(Polled);

impl Polled {
    /// `name` stands for the source in health and logs.
    pub fn new(name: impl Into<String>, source: impl RevocationSource) -> Self {
        let source: Box<dyn Erased> = Box::new(source);
        Self { name: name.into(), source: Shared(Arc::new(Mutex::new(source))), common: Common::of(1, 30) }
    }

    pub(crate) fn source(&self) -> Shared {
        self.source.clone()
    }
}

impl From<Polled> for SourceSettings {
    fn from(polled: Polled) -> Self {
        Self { common: polled.common.clone(), kind: Kind::Polled(polled) }
    }
}

impl fmt::Debug for Polled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polled").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A source that outlives the task that asks it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Box<dyn Erased>>>);

impl Shared {
    pub(in crate::background) async fn pull(&self, cursor: Option<&str>) -> Result<Pulled, SourceError> {
        self.0.lock().await.pull(cursor).await
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Pulled, SourceError>> + Send + 'a>>;

/// [`RevocationSource`] without its own type.
trait Erased: Send {
    fn pull<'a>(&'a mut self, cursor: Option<&'a str>) -> Answer<'a>;
}

impl<S: RevocationSource> Erased for S {
    fn pull<'a>(&'a mut self, cursor: Option<&'a str>) -> Answer<'a> {
        Box::pin(RevocationSource::pull(self, cursor))
    }
}
