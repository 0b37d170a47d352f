//! The skin: what tower and http see of the resource server.

use std::fmt;
use std::sync::Arc;

use http::Request;
use http::header::AUTHORIZATION;

use crate::background::Background;
use crate::background::tenancy::Tenancy;
use crate::clock::Clock;
use crate::limits;
use crate::policy::Policy;
use crate::rejection::{Rejection, RejectionKind};
use crate::request::{AccessToken, Judge, NewTenant, Stop, UnknownKey};

mod body;
mod challenge;
pub(crate) mod forward;
mod future;
mod layer;
pub(crate) mod metadata;
mod service;

pub use body::{EmptyBody, ProblemJson, RejectionBody};
pub use future::ResponseFuture;
pub use layer::Protect;
pub use service::Protected;

pub(crate) use challenge::Realm;

/// What all layers of one resource server share. The background tasks end with the last one who holds it.
pub(crate) struct Gate {
    pub(crate) judge: Judge,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) realm: Realm,
    /// At the places where the judge has their maps.
    pub(crate) tenancies: Box<[Arc<Tenancy>]>,
    /// Held, never read: dropping it stops the tasks.
    pub(crate) _background: Background,
}

/// Layers and services show this: nothing in it may come from a stranger.
impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl Gate {
    /// Judges a request and, where it is admitted, puts its token into the extensions.
    fn admit<B>(&self, request: &mut Request<B>, policy: &Policy) -> Result<(), Stop> {
        let now = self.clock.now();
        if let Some(token) = request.extensions().get::<AccessToken>()
            && self.judge.admitted(token)
        {
            return self.judge.judge_again(token, policy, now).map_err(Stop::Refused);
        }
        if has_token_in_query(request.uri()) && request.headers().contains_key(AUTHORIZATION) {
            return Err(RejectionKind::RepeatedCredentials.into());
        }
        let token = self.judge.judge(request.headers(), policy, now)?;
        request.extensions_mut().insert(token);
        Ok(())
    }

    /// [`Gate::admit`] after the wait for an unknown key is over.
    fn admit_after_wait<B>(&self, request: &mut Request<B>, policy: &Policy) -> Result<(), Rejection> {
        self.admit(request, policy).map_err(|stop| match stop {
            Stop::Refused(rejection) => rejection,
            Stop::UnknownKey(UnknownKey { issuer, kid, refusal }) => {
                issuer.keys.bell.note_not_found(kid.as_deref(), self.clock.uptime());
                refusal.into()
            }
            Stop::NewTenant(NewTenant { lack, .. }) => {
                Rejection::new(lack).retry_after(limits::BACKOFF_BLIND)
            }
        })
    }

    /// Waits for what is missing, bounded; says why not where it does not turn up.
    async fn wait(self: Arc<Self>, stop: Stop) -> Result<(), Rejection> {
        match stop {
            Stop::Refused(rejection) => Err(rejection),
            Stop::UnknownKey(unknown) => self.wait_for_key(unknown).await,
            Stop::NewTenant(NewTenant { name, place, lack }) => match self.tenancies.get(place) {
                Some(tenancy) => tenancy.wait(&name).await,
                None => Err(lack.into()),
            },
        }
    }

    /// Waits for the issuer's keys, bounded; says why not where the key does not turn up.
    async fn wait_for_key(&self, unknown: UnknownKey) -> Result<(), Rejection> {
        use crate::keys::bell::Answer;

        let UnknownKey { issuer, kid, refusal } = unknown;
        let found = || {
            let keys = issuer.keys.snapshot();
            // Where ids no longer tell, the signature does.
            kid.as_deref().is_some_and(|kid| keys.has_kid(kid) || keys.fits_any_kid())
        };
        match issuer.keys.bell.wait(kid.as_deref(), &*self.clock, found).await {
            Answer::Found => Ok(()),
            // Which of the keys in the new set it may be, only the signature tells.
            Answer::Absent if kid.is_none() => Ok(()),
            Answer::Absent => Err(refusal.into()),
            Answer::Unanswered => {
                Err(Rejection::new(RejectionKind::KeysPending).retry_after(limits::BELL_COOLDOWN))
            }
        }
    }
}

/// RFC 6750 §2: a client must not use more than one method. The query is read for nothing else.
#[inline]
fn has_token_in_query(uri: &http::Uri) -> bool {
    let is_token = |parameter: &str| parameter.split('=').next() == Some("access_token");
    uri.query().is_some_and(|query| query.split('&').any(is_token))
}
