//! The socket between a program and its successor: messages as JSON, each in a packet of its own, with descriptors beside it
//! (`SCM_RIGHTS`). Only processes of the same user get through.

use peregrine_cache::Invalidation;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, recvmsg, sendmsg,
    shutdown, socket_with,
};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Raised with every change of the messages that an older program would misunderstand.
pub(super) const VERSION: u32 = 1;
/// The longest message; below what a packet may measure.
const MESSAGE_BYTES_MAX: usize = 128 << 10;
/// The most descriptors beside one message; the system takes 253.
pub(super) const DESCRIPTORS_MAX: usize = 250;
/// How long sending waits at a time for the other side to take messages.
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
    /// The successor: nothing can fail any more; I take connections as soon as you take none.
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
    /// Whether the program has made a file for it. One that does not say so has not, for all that is known.
    #[serde(default)]
    pub(super) has_file: bool,
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
    /// Everything was invalidated.
    pub(super) fn everything(soft: bool) -> Self {
        Self::Invalidated(Invalidation {
            all: true,
            soft,
            ..Invalidation::default()
        })
    }

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
    place: Place,
}

/// The file of a door. The successor's lies at the same path, perhaps before its predecessor took away its own.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
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
        let file = std::fs::symlink_metadata(path)?;
        let place = Place {
            path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
        };
        Ok(Self { socket, place })
    }

    /// Where its file is.
    pub(super) fn place(&self) -> &Place {
        &self.place
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
        // While the socket still listens, so that nobody opens another at that path in between.
        self.place.clear();
    }
}

impl Place {
    /// Takes the file away, unless it is another's by now.
    pub(super) fn clear(&self) {
        let file = std::fs::symlink_metadata(&self.path);
        if file.is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode)) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Channel {
    /// To the program that waits at `path`; nothing when there is none.
    pub(super) fn connect(path: &Path) -> io::Result<Option<Self>> {
        let socket = packets()?;
        // Connecting waits as well, where others wait already.
        set_socket_timeout(&socket, Timeout::Send, Some(SEND_TIME_MAX))?;
        match connect(&socket, &SocketAddrUnix::new(path)?) {
            Ok(()) => {}
            Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(None),
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
                Err(error) if is_busy(&error) => {}
                ended => return ended,
            }
        }
    }

    /// Says `message`, and waits about as long as `patience` for the other side to listen.
    pub(super) fn insist_for(&self, message: &Message, patience: Duration) -> io::Result<()> {
        let text = message.text()?;
        let mut attempts = patience.as_secs();
        loop {
            match self.send_text(&text, &[], SendFlags::empty()) {
                Err(error) if is_busy(&error) && attempts > 1 => attempts -= 1,
                ended => return ended,
            }
        }
    }

    /// Ends it in both directions: whatever the other side says from now on fails there. What it said before can still be
    /// received.
    pub(super) fn end(&self) {
        // It fails where the other side is gone, and then there is nothing to end.
        let _ = shutdown(&self.0, Shutdown::Both);
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

    /// The next message with its descriptors; nothing when the other side is gone. What is no message is an error of the kind
    /// `InvalidData`.
    pub(super) fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let mut text = vec![0; MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let parts = &mut [IoSliceMut::new(&mut text)];
            match recvmsg(&self.0, parts, &mut beside, RecvFlags::CMSG_CLOEXEC) {
                // A process that was stopped and goes on, with a limit to its patience.
                Err(Errno::INTR) => {}
                // The other side closed before it read everything. Said once; what it had sent comes then, and its end.
                Err(Errno::CONNRESET) => {}
                received => break received?,
            }
        };
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
        let no_message = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let message = serde_json::from_slice(text).map_err(no_message)?;
        Ok(Some((message, descriptors)))
    }

    /// As [`Channel::receive`] for whoever hears of invalidations: what cannot be understood may be one, and means everything.
    pub(super) fn hear(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        match self.receive() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "the other program cannot be understood; everything is invalidated");
                Ok(Some((Message::everything(false), Vec::new())))
            }
            heard => heard,
        }
    }
}

/// Whether the other side may take a message later.
fn is_busy(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
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
        for end in [&here, &there] {
            // What does not come fails a test in place of holding it up.
            end.patience(Some(Duration::from_secs(30))).unwrap();
        }
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
    fn a_door_takes_away_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door");
        let before = Door::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let door = Door::open(&path).unwrap();
        before.place().clear();
        drop(before);
        assert!(Channel::connect(&path).unwrap().is_some());
        door.place().clear();
        assert!(!path.exists());
    }

    #[test]
    fn whoever_closes_without_reading_is_heard_to_the_end() {
        let (_folder, here, there) = pair();
        there.send(&Message::Warm, &[]).unwrap();
        here.send(&Message::Ready, &[]).unwrap();
        drop(here);
        assert_eq!(there.receive().unwrap().unwrap().0, Message::Ready);
        assert!(there.receive().unwrap().is_none());
    }

    #[test]
    fn after_the_end_what_was_said_before_it_is_heard_and_nothing_else() {
        let (_folder, here, there) = pair();
        there.send(&Message::Retiring, &[]).unwrap();
        here.end();
        assert!(there.insist_for(&Message::Retiring, Duration::from_secs(10)).is_err());
        assert_eq!(here.receive().unwrap().unwrap().0, Message::Retiring);
        assert!(here.receive().unwrap().is_none());
    }

    #[test]
    fn a_crowd_before_the_door_is_not_waited_for_longer_than_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door");
        let _door = Door::open(&path).unwrap();
        let _crowd: Vec<_> = (0..2).map(|_| Channel::connect(&path).unwrap()).collect();
        assert_eq!(Channel::connect(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn nonsense_is_an_error_and_may_have_been_an_invalidation_of_anything() {
        let (_folder, here, there) = pair();
        for nonsense in ["{\"no\":1}", "{\"invalidated\":"] {
            rustix::io::write(&here, nonsense.as_bytes()).unwrap();
            assert_eq!(there.receive().unwrap_err().kind(), io::ErrorKind::InvalidData);
            rustix::io::write(&here, nonsense.as_bytes()).unwrap();
            assert_eq!(there.hear().unwrap().unwrap().0, Message::everything(false));
        }
    }
}
