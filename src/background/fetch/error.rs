//! Why a question has no answer.

use url::Url;

use crate::redact::without_query;

/// Why nothing came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{} is not https (http is only allowed to loopback, with allow_loopback_http)", without_query(.0))]
    Insecure(Url),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("no answer in time")]
    Timeout,
    #[error("no connection: {0}")]
    Connection(String),
}
