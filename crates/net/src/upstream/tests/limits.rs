//! Every wait has its limit, and nothing is read that nobody takes.

use super::*;
use crate::http::{BodyError, BodyFault};
use crate::tests::Wire;
use peregrine_base::Party;
use std::task::Poll;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

const SHORT: &str = "30ms";

/// An origin that reads a head, sends `begin`, and then nothing more.
async fn silent_after(begin: &'static str) -> Origin {
    Origin::start(move |mut wire, _| async move {
        wire.head().await;
        wire.send(begin).await;
        let _ = wire.rest().await;
    })
    .await
}

#[tokio::test]
async fn connecting_has_a_limit_that_covers_tls() {
    // Takes the connection and never says a word of TLS.
    let origin = silent_after("").await;
    let upstream = upstream_of(&[&format!("https://{}", origin.address)], |config| {
        config.connect_timeout = SHORT.parse().unwrap();
    });
    let error = upstream.send(get("/"), Retry::Safe).await.err().unwrap();
    assert_eq!(
        (error.kind, error.status().as_u16()),
        (UpstreamErrorKind::ConnectTimeout, 504)
    );
}

#[tokio::test]
async fn the_first_byte_has_a_limit() {
    let origin = silent_after("HTTP/1.1 200 OK\r\ncontent-").await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.first_byte_timeout = SHORT.parse().unwrap()
    });
    let error = upstream.send(get("/"), Retry::Safe).await.err().unwrap();
    assert_eq!(
        (error.kind, error.status().as_u16()),
        (UpstreamErrorKind::FirstByteTimeout, 504)
    );
    assert_eq!(target(&upstream).failures, 1);
    assert_eq!(
        origin.accepted(),
        1,
        "an origin that does not answer is not asked twice"
    );
}

#[tokio::test]
async fn a_slow_client_does_not_use_up_the_origins_time() {
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
        wire.bytes("1\r\nx\r\n".len() * 2 + "0\r\n\r\n".len()).await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    })
    .await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.first_byte_timeout = "200ms".parse().unwrap()
    });
    let mut pause = Box::pin(tokio::time::sleep(Duration::from_millis(300)));
    let mut left = 2;
    let slow = Body::from_poll(None, move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(pause.as_mut().poll(cx));
        left -= 1;
        pause = Box::pin(tokio::time::sleep(Duration::from_millis(300)));
        Poll::Ready(Some(Ok(bytes::Bytes::from_static(b"x"))))
    });
    assert_eq!(
        fetch(&upstream, request("POST", "/", slow), Retry::Never)
            .await
            .unwrap()
            .0,
        "ok"
    );
}

#[tokio::test]
async fn a_slow_client_does_not_make_the_origin_look_slow() {
    let clock = Arc::new(ManualClock::default());
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
        wire.bytes("1\r\nx\r\n0\r\n\r\n".len()).await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let upstream = upstream_with(clock.clone(), &[&origin.url()], |_| {});
    let mut left = 1;
    let slow = Body::from_poll(None, move |_| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        clock.advance(Duration::from_secs(60));
        Poll::Ready(Some(Ok(bytes::Bytes::from_static(b"x"))))
    });
    fetch(&upstream, request("POST", "/", slow), Retry::Never)
        .await
        .unwrap();
    assert_eq!(target(&upstream).latency_ms, Some(0.0));
}

#[tokio::test]
async fn an_origin_that_does_not_take_the_request_is_overdue() {
    let origin = Origin::start(|wire: Wire, _| async move {
        // Reads nothing.
        wire.stream.writable().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.first_byte_timeout = "100ms".parse().unwrap()
    });
    let piece = bytes::Bytes::from(vec![0; 1 << 16]);
    let endless = Body::from_poll(None, move |_| Poll::Ready(Some(Ok(piece.clone()))));
    assert_eq!(
        failure(&upstream, request("POST", "/", endless), Retry::Safe).await,
        UpstreamErrorKind::FirstByteTimeout
    );
}

#[tokio::test]
async fn an_origin_that_takes_the_request_slowly_is_not_overdue() {
    const LENGTH: usize = 3 << 20;
    let origin = Origin::start(|mut wire: Wire, _| async move {
        wire.head().await;
        for _ in 0..LENGTH / (64 << 10) {
            wire.bytes(64 << 10).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.first_byte_timeout = "1500ms".parse().unwrap()
    });
    // All at once, and in pieces.
    let mut left = LENGTH;
    let in_pieces = Body::from_poll(Some(LENGTH as u64), move |_| {
        let piece = left.min(10_000);
        left -= piece;
        Poll::Ready((piece > 0).then(|| Ok(vec![b'x'; piece].into())))
    });
    for body in [Body::full(vec![b'x'; LENGTH]), in_pieces] {
        let (response, _) = upstream.send(request("POST", "/", body), Retry::Safe).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn a_body_that_pauses_has_a_limit() {
    let origin = silent_after("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let upstream = upstream_of(&[&origin.url()], |config| config.idle_timeout = SHORT.parse().unwrap());
    let (response, _) = upstream.send(get("/"), Retry::Safe).await.unwrap();
    let error = response.into_body().collect(10).await.unwrap_err();
    assert_eq!(error, BodyError::new(BodyFault::IdleTimeout, Party::Upstream));
    let target = target(&upstream);
    assert_eq!((target.failures, target.in_flight, target.idle), (1, 0, 0));
}

#[tokio::test]
async fn a_reader_who_takes_his_time_is_not_the_origins_fault() {
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        wire.send("lf").await;
        let _ = wire.rest().await;
    })
    .await;
    let upstream = upstream_of(&[&origin.url()], |config| config.idle_timeout = "1s".parse().unwrap());
    let (mut response, _) = upstream.send(get("/"), Retry::Safe).await.unwrap();
    assert_eq!(response.body_mut().next().await.unwrap().unwrap(), "ha");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(response.into_body().collect(10).await.unwrap(), "lf");
}

#[tokio::test]
async fn an_answer_that_waits_for_the_rest_of_its_request_is_not_late() {
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await;
        wire.bytes("1\r\nx\r\n".len()).await;
        wire.send("lf").await;
        let _ = wire.rest().await;
    })
    .await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.idle_timeout = "100ms".parse().unwrap()
    });
    let mut pause = Box::pin(tokio::time::sleep(Duration::from_millis(300)));
    let mut piece = Some(bytes::Bytes::from_static(b"x"));
    let slow = Body::from_poll(None, move |cx| match piece {
        None => Poll::Pending,
        Some(_) => pause.as_mut().poll(cx).map(|()| piece.take().map(Ok)),
    });
    let (response, _) = upstream.send(request("POST", "/", slow), Retry::Never).await.unwrap();
    assert_eq!(response.into_body().collect(10).await.unwrap(), "half");
    assert_eq!(target(&upstream).failures, 0);
}

#[tokio::test]
async fn everything_together_has_a_limit() {
    let origin = silent_after("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.total_timeout = Some("100ms".parse().unwrap())
    });
    let (response, _) = upstream.send(get("/"), Retry::Safe).await.unwrap();
    assert_eq!(
        response.into_body().collect(10).await.unwrap_err().fault,
        BodyFault::TotalTimeout
    );
    assert_eq!(
        target(&upstream).failures,
        0,
        "who was slow, it or its reader, is not said"
    );
}

#[tokio::test]
async fn who_is_waited_for_most_of_the_time_that_everything_has_is_the_one_who_is_late() {
    let origin = silent_after("").await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.total_timeout = Some("100ms".parse().unwrap())
    });
    assert_eq!(
        failure(&upstream, get("/"), Retry::Safe).await,
        UpstreamErrorKind::FirstByteTimeout
    );
    assert_eq!(target(&upstream).failures, 1);
}

#[tokio::test]
async fn a_body_that_never_pauses_has_a_limit_too() {
    let clock = Arc::new(ManualClock::default());
    let (origin, mut stuck_at) = endless().await;
    let upstream = upstream_with(clock.clone(), &[&origin.url()], |config| {
        config.total_timeout = Some("60s".parse().unwrap());
    });
    let (mut response, _) = upstream.send(get("/"), Retry::Safe).await.unwrap();
    stuck_at.wait_for(|sent| *sent > 0).await.unwrap();
    assert!(response.body_mut().next().await.unwrap().is_ok());
    clock.advance(Duration::from_secs(61));
    assert_eq!(
        response.body_mut().next().await.unwrap().unwrap_err().fault,
        BodyFault::TotalTimeout
    );
}

#[tokio::test]
async fn waiting_in_line_has_a_limit() {
    let origin = silent_after("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let upstream = upstream_of(&[&origin.url()], |config| {
        config.connections_max = 1;
        config.wait_timeout = SHORT.parse().unwrap();
    });
    let held = upstream.send(get("/"), Retry::Safe).await.unwrap();
    let error = upstream.send(get("/"), Retry::Safe).await.err().unwrap();
    assert_eq!(
        (error.kind, error.status().as_u16()),
        (UpstreamErrorKind::WaitTimeout, 503)
    );
    assert_eq!(target(&upstream).failures, 0);
    drop(held);
}

/// An origin that sends without end and tells how much it got rid of whenever it got rid of nothing for a while.
async fn endless() -> (Origin, watch::Receiver<usize>) {
    let (stuck_at, seen) = watch::channel(0);
    let stuck_at = Arc::new(stuck_at);
    let origin = Origin::start(move |mut wire: Wire, _| {
        let stuck_at = Arc::clone(&stuck_at);
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n")
                .await;
            let (piece, mut sent) = (vec![0; 1 << 16], 0);
            loop {
                let mut write = Box::pin(wire.stream.write(&piece));
                let written = match tokio::time::timeout(Duration::from_millis(200), &mut write).await {
                    Ok(written) => written,
                    Err(_) => {
                        stuck_at.send_replace(sent);
                        write.await
                    }
                };
                match written {
                    Ok(count) => sent += count,
                    Err(_) => return,
                }
            }
        }
    })
    .await;
    (origin, seen)
}

#[tokio::test]
async fn an_origin_is_read_no_faster_than_its_reader_reads() {
    let (origin, mut stuck_at) = endless().await;
    let upstream = upstream(&origin);
    let (mut response, _) = upstream.send(get("/"), Retry::Safe).await.unwrap();
    let first = *stuck_at.wait_for(|sent| *sent > 0).await.unwrap();
    // What the kernel's buffers hold, and one buffer of ours.
    assert!(first < 32 << 20, "{first}");
    let mut read = 0;
    while read < first + (8 << 20) {
        read += response.body_mut().next().await.unwrap().unwrap().len();
    }
    let second = *stuck_at.wait_for(|sent| *sent > first).await.unwrap();
    assert!(second - read < 32 << 20, "{second} of which {read} were read");
}
