//! Bodies: the other side's, streamed, or a few words of our own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, Incoming, SizeHint};

/// What the gateway sends, in either direction.
#[derive(Debug)]
pub(crate) enum Body {
    Own(Full<Bytes>),
    Passing(Incoming),
}

impl Default for Body {
    fn default() -> Self {
        Self::Own(Full::default())
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = match self.get_mut() {
            Self::Own(words) => {
                let frame = ready!(Pin::new(words).poll_frame(cx));
                return Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})));
            }
            Self::Passing(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        // Trailers end here: some upstreams merge them into the headers, and so past `Forward`. (hyper sends none either
        // where no `Trailer` header announces them, and that one is gone; this does not rely on it.)
        Poll::Ready(frame.filter(|frame| !frame.as_ref().is_ok_and(Frame::is_trailers)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(words) => words.is_end_stream(),
            Self::Passing(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(words) => words.size_hint(),
            Self::Passing(body) => body.size_hint(),
        }
    }
}
