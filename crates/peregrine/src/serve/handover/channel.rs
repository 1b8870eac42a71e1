//! The socket between a program and its successor: messages as JSON, each in a packet of its own, with descriptors beside it
//! (`SCM_RIGHTS`). Only processes of the same user get through.

use peregrine_cache::Invalidation;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, recvmsg, sendmsg,
    socket_with,
};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Raised with every change of the messages that an older program would misunderstand.
pub(super) const VERSION: u32 = 1;
/// The longest message; below what a packet may measure.
const MESSAGE_BYTES_MAX: usize = 128 << 10;
/// The most descriptors beside one message; the system takes 253.
pub(super) const DESCRIPTORS_MAX: usize = 250;
/// How long a message may take to be taken by the other side.
const SEND_TIME_MAX: Duration = Duration::from_secs(1);

/// What is said.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The successor: I am here.
    TakeOver { version: u32 },
    /// The predecessor: no, for this reason.
    Refused { why: String },
    /// The predecessor: here are my sockets, in this order.
    Sockets { sockets: Vec<Given> },
    /// The successor: I can read what memory holds. From now on it hears of invalidations.
    Warm,
    /// The predecessor: here it is, or there is nothing.
    Memory { there: bool },
    /// The successor: I take connections.
    Ready,
    /// The predecessor: I take none any more.
    Retiring,
    /// Both: this was invalidated.
    Invalidated(Invalidation),
}

/// A socket that is given away.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(in crate::serve) struct Given {
    /// What it is for.
    pub(super) role: Role,
    /// Its address as it is configured.
    pub(super) configured: String,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve) enum Role {
    /// Requests.
    Listener,
    /// The admin API.
    Admin,
}

impl Message {
    /// As it is sent; an error when it is too long for a packet.
    pub(super) fn text(&self) -> io::Result<Vec<u8>> {
        let text = serde_json::to_vec(self)?;
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
        }
        Ok(text)
    }
}

/// Where a successor is waited for.
#[derive(Debug)]
pub(super) struct Door {
    socket: OwnedFd,
    path: PathBuf,
}

/// A connection between a program and its successor.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

fn packets() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok(socket)
}

impl Door {
    /// Opens it at `path`, for this user only. What an earlier program left there is removed, unless it is still there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if Channel::connect(path)?.is_some() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another program with this server.state_dir waits for its successor there",
            ));
        }
        let _ = std::fs::remove_file(path);
        let socket = packets()?;
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listen(&socket, 1)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }

    /// The next successor. Blocks.
    pub(super) fn next(&self) -> io::Result<Channel> {
        let channel = Channel(accept_with(&self.socket, SocketFlags::CLOEXEC)?);
        channel.check()?;
        Ok(channel)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Channel {
    /// To the program that waits at `path`; nothing when there is none.
    pub(super) fn connect(path: &Path) -> io::Result<Option<Self>> {
        let socket = packets()?;
        match connect(&socket, &SocketAddrUnix::new(path)?) {
            Ok(()) => {}
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let channel = Self(socket);
        channel.check()?;
        Ok(Some(channel))
    }

    /// Whether the other side is of our user; the administrator may do as he likes.
    fn check(&self) -> io::Result<()> {
        let uid = socket_peercred(&self.0)?.uid;
        if uid != rustix::process::geteuid() && !uid.is_root() {
            let problem = format!("the other side belongs to another user ({})", uid.as_raw());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        set_socket_timeout(&self.0, Timeout::Send, Some(SEND_TIME_MAX))?;
        Ok(())
    }

    /// The process at the other side.
    pub(super) fn peer(&self) -> Option<i32> {
        socket_peercred(&self.0)
            .ok()
            .map(|peer| peer.pid.as_raw_nonzero().get())
    }

    /// How long the other side may be silent; nothing: for ever.
    pub(super) fn patience(&self, patience: Option<Duration>) -> io::Result<()> {
        set_socket_timeout(&self.0, Timeout::Recv, patience)?;
        Ok(())
    }

    /// Says `message` and gives `descriptors` away with it. Waits for a moment when the other side does not listen.
    pub(super) fn send(&self, message: &Message, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_text(&message.text()?, descriptors, SendFlags::empty())
    }

    /// Says what [`Message::text`] gave; `WouldBlock` when the other side does not listen.
    pub(super) fn try_send(&self, text: &[u8]) -> io::Result<()> {
        self.send_text(text, &[], SendFlags::DONTWAIT)
    }

    /// Says what [`Message::text`] gave, and waits for the other side to listen, for as long as it is there.
    pub(super) fn insist(&self, text: &[u8]) -> io::Result<()> {
        loop {
            match self.send_text(text, &[], SendFlags::empty()) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                ended => return ended,
            }
        }
    }

    fn send_text(&self, text: &[u8], descriptors: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
        }
        let sent = sendmsg(&self.0, &[IoSlice::new(text)], &mut beside, flags | SendFlags::NOSIGNAL)?;
        if sent == text.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// The next message with its descriptors; nothing when the other side is gone.
    pub(super) fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let mut text = vec![0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut text)],
            &mut beside,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut descriptors = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(given) = message {
                descriptors.extend(given);
            }
        }
        let text = text.get(..received.bytes).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let message = serde_json::from_slice(text)?;
        Ok(Some((message, descriptors)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Both ends of a channel, and the folder of its door.
    pub(in crate::serve::handover) fn pair() -> (tempfile::TempDir, Channel, Channel) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door");
        let door = Door::open(&path).unwrap();
        let here = Channel::connect(&path).unwrap().unwrap();
        let there = door.next().unwrap();
        (folder, here, there)
    }

    #[test]
    fn messages_arrive_whole_and_descriptors_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door");
        assert!(Channel::connect(&path).unwrap().is_none(), "nobody is there");
        let door = Door::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let here = Channel::connect(&path).unwrap().unwrap();
        let there = door.next().unwrap();
        assert_eq!(there.peer(), Some(i32::try_from(std::process::id()).unwrap()));
        let (mut read, write) = std::io::pipe().unwrap();
        here.send(&Message::TakeOver { version: 7 }, &[]).unwrap();
        here.send(&Message::Memory { there: true }, &[write.as_fd()]).unwrap();
        drop(write);
        let (message, given) = there.receive().unwrap().unwrap();
        assert_eq!((message, given.len()), (Message::TakeOver { version: 7 }, 0));
        let (message, given) = there.receive().unwrap().unwrap();
        assert_eq!((message, given.len()), (Message::Memory { there: true }, 1));
        let mut written = std::fs::File::from(given.into_iter().next().unwrap());
        written.write_all(b"through").unwrap();
        drop(written);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        let long = Message::Refused {
            why: "x".repeat(MESSAGE_BYTES_MAX),
        };
        assert!(here.send(&long, &[]).is_err());
        drop(here);
        assert!(there.receive().unwrap().is_none());
        assert!(there.send(&Message::Ready, &[]).is_err());
    }

    #[test]
    fn a_door_is_one_programs_and_what_a_dead_one_left_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door");
        let door = Door::open(&path).unwrap();
        assert_eq!(Door::open(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // As after a crash: the file stays, nobody listens.
        let left = folder.path().join("left");
        std::fs::rename(&path, &left).unwrap();
        drop(door);
        std::fs::rename(&left, &path).unwrap();
        Door::open(&path).unwrap();
        assert!(!path.exists(), "a program that ends takes it away");
    }

    #[test]
    fn nonsense_is_an_error() {
        let (_folder, here, there) = pair();
        rustix::io::write(&here, b"{\"no\":1}").unwrap();
        assert!(there.receive().is_err());
    }
}
