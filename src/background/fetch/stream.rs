//! Answers that go on.

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, HeaderName, HeaderValue};

use super::{Answer, FetchError, Fetcher, Question, failure};

/// The rest of an answer with status 200. Its connection ends with it.
#[derive(Debug)]
pub(crate) struct Flow(reqwest::Response);

impl Flow {
    /// What comes next, in parts of any size; none at the end. May be dropped while it waits, and nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        self.0.chunk().await.map_err(failure)
    }
}

impl Fetcher {
    /// Asks for a stream of events after `last`. Only its beginning must come in time; whoever reads on bounds what
    /// follows.
    pub(crate) async fn open(
        &self,
        question: Question<'_>,
        last: Option<&str>,
    ) -> Result<(Answer, Option<Flow>), FetchError> {
        self.permits(question.url)?;
        // What is compressed may wait for more to come.
        let mut request =
            self.request(&question).header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(last) = last {
            request = request.header(HeaderName::from_static("last-event-id"), last);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection's own timeout, as reqwest's for whole answers"
        )]
        let sent = tokio::time::timeout(question.within, request.send()).await;
        let response = sent.map_err(|_| FetchError::Timeout)?.map_err(failure)?;
        let answer = Answer::head(&response);
        let flow = (answer.status == 200).then_some(Flow(response));
        Ok((answer, flow))
    }
}
