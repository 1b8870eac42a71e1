//! Receiving and sending on a TCP connection by the system calls themselves. The C library's functions for them are points
//! where a thread can be cancelled, which takes two atomic steps for each call; nobody cancels threads here.

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Receives into `room`; how many bytes, 0 at the end of the stream.
pub(super) fn poll_recv(stream: &TcpStream, room: &mut [u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        let received = once(stream, Interest::READABLE, room.len(), || {
            let (received, _) = retry_on_intr(|| recv(stream, &mut *room, RecvFlags::empty()))?;
            Ok(received)
        });
        if let Some(received) = received.transpose() {
            return Poll::Ready(received);
        }
    }
}

/// Sends of `bytes`; how many.
pub(super) fn poll_send(stream: &TcpStream, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        let sent = once(stream, Interest::WRITABLE, bytes.len(), || {
            Ok(retry_on_intr(|| send(stream, bytes, SendFlags::NOSIGNAL))?)
        });
        if let Some(sent) = sent.transpose() {
            return Poll::Ready(sent);
        }
    }
}

/// Sends of `bytes` where there is any room, though the event loop waits to be told of more; how many.
pub(super) fn poll_insist(stream: &TcpStream, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    match retry_on_intr(|| send(stream, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)) {
        Err(rustix::io::Errno::AGAIN) => poll_send(stream, bytes, cx),
        sent => Poll::Ready(Ok(sent?)),
    }
}

/// Makes a `call` that moves at most `wanted` bytes; nothing where the system has to be waited for. One that moved fewer has
/// moved all there is: as if it had been asked once more and in vain, the event loop waits to be told of more, which the
/// system does whenever there is (epoll(7), edge-triggered, question 9).
fn once(
    stream: &TcpStream,
    interest: Interest,
    wanted: usize,
    call: impl FnOnce() -> io::Result<usize>,
) -> io::Result<Option<usize>> {
    let mut moved = None;
    let called = stream.try_io(interest, || {
        let count = call()?;
        moved = Some(count);
        if (1..wanted).contains(&count) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match called {
        Err(error) if moved.is_none() && error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(moved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (connected, accepted) = tokio::join!(connecting, listener.accept());
        (connected.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn whatever_is_sent_arrives_however_much_each_side_takes_at_once() {
        let (sender, receiver) = pair().await;
        let sent: Vec<u8> = (0u32..6 << 20).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
        let send_all = async {
            let mut from = 0;
            while from < sent.len() {
                // More than the system takes at once, and less.
                let to = sent.len().min(from + [5, 3 << 20, 70_001][from % 3]);
                from += poll_fn(|cx| poll_send(&sender, &sent[from..to], cx)).await.unwrap();
            }
        };
        let receive_all = async {
            let (mut received, mut room) = (Vec::new(), vec![0; 1 << 20]);
            while received.len() < sent.len() {
                let room = &mut room[..[7, 1 << 20, 16 << 10][received.len() % 3]];
                let count = poll_fn(|cx| poll_recv(&receiver, room, cx)).await.unwrap();
                assert!(count > 0, "it has not ended");
                received.extend_from_slice(&room[..count]);
            }
            received
        };
        let ((), received) = tokio::join!(send_all, receive_all);
        assert!(received == sent, "byte for byte");
        drop(sender);
        let end = poll_fn(|cx| poll_recv(&receiver, &mut [0; 9], cx)).await;
        assert_eq!(end.unwrap(), 0);
    }

    #[tokio::test]
    async fn who_sends_to_nobody_is_told_so() {
        let (sender, receiver) = pair().await;
        drop(receiver);
        let broken = loop {
            if let Err(error) = poll_fn(|cx| poll_send(&sender, &[0; 1000], cx)).await {
                break error.kind();
            }
        };
        assert!(
            matches!(broken, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset),
            "{broken:?}"
        );
    }
}
