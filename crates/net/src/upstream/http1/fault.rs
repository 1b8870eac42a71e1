//! Why a connection brought no answer.

use crate::http::BodyError;
use crate::upstream::error::{UpstreamError, UpstreamErrorKind};
use std::io;

/// What went wrong before the head of an answer was there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// More bytes or fields than a head may have.
    #[error("the head is larger than response_head_max, or has more fields than response_fields_max")]
    HeadTooLarge,
    /// More interim responses than anybody wants.
    #[error("there are more interim responses than interim_max")]
    TooManyInterim,
    /// Something was there before anything was asked.
    #[error("bytes came before the request was sent")]
    Unsolicited,
    /// What came is no head of HTTP/1.
    #[error("what came is no head of an answer: {0}")]
    Malformed(&'static str),
    /// The head was read and says what it must not.
    #[error("{0}")]
    Refused(UpstreamError),
    /// The end of the stream.
    #[error("the connection ended before the answer was there")]
    Ended,
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The body of the request failed.
    #[error("{0}")]
    RequestBody(BodyError),
}

impl Fault {
    /// What it tells about the exchange.
    pub(crate) const fn kind(&self) -> UpstreamErrorKind {
        match self {
            Self::HeadTooLarge => UpstreamErrorKind::HeadTooLarge,
            Self::TooManyInterim => UpstreamErrorKind::TooManyInterim,
            Self::Unsolicited => UpstreamErrorKind::Unsolicited,
            Self::Malformed(_) => UpstreamErrorKind::Protocol,
            Self::Refused(error) => error.kind,
            Self::Ended | Self::Io(_) => UpstreamErrorKind::Broken,
            Self::RequestBody(error) => UpstreamErrorKind::RequestBody(error.fault),
        }
    }
}
