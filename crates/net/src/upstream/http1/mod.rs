//! HTTP/1.1 towards an origin: a codec of our own, driven by whoever waits for the answer. A connection is one value that is
//! handed about (`link`): it has no task, no lock and no queue, holds a buffer only while bytes wait in it, and is closed by
//! dropping it.
//!
//! `head` decides about bytes and does no I/O; `link` writes requests and reads heads, `body` reads what follows them,
//! `stream` is the socket with or without TLS, `fault` says why there is no answer.
//!
//! What it promises: nothing is taken for an answer that leaves room for another reading. Heads are bounded in bytes, fields
//! and number before they are read; what is malformed, or says in two ways where its body ends, ends the exchange and the
//! connection. A doubt that does not touch the answer itself (a bare LF, an empty line before the head, the same length said
//! twice: RFC 9112 §2.2 and §6.3 let a recipient accept them) costs the connection, and so does every byte that nobody asked
//! for, so that a doubt is never shared with the next request.

mod body;
mod fault;
mod head;
mod link;
mod stream;

pub(crate) use fault::Fault;
pub(crate) use head::{HeadRule, Heads};
pub(crate) use link::{Link, Rest};
pub(crate) use stream::{Idle, Stream};

#[cfg(test)]
mod tests;
