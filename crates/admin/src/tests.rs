//! The API as a client meets it: through its handler, and over a socket.

mod answers;
mod fake;
mod gates;
mod inputs;
mod roles;
mod sessions;
mod socket;
