//! What a handler answers at once, over HTTP/2.

use super::hostile::{Raw, block};
use super::*;
use crate::http::serve::tests::short::{MUCH, SOME, both_within};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn answers_at_once_and_the_long_way_side_by_side() {
    let (handler, server, address, _drain) = both_within(ServerLimits::default(), SPOKEN);
    let client = connect_to(address).await;
    let mut askers = tokio::task::JoinSet::new();
    for number in 0..60 {
        let mut client = client.clone();
        askers.spawn(async move {
            let path = if number % 3 == 0 { "long" } else { "short" };
            let (status, fields, text) = ask(&mut client, request("GET", &format!("http://x/{path}/{number}")))
                .await
                .unwrap();
            assert!(status == 200 && fields.contains_key("date") && !fields.contains_key("left"));
            assert_eq!(fields["content-length"], text.len().to_string().as_str());
            let expected = if number % 3 == 0 {
                "long".to_owned()
            } else {
                format!("GET /short/{number} x")
            };
            assert_eq!(text, expected);
        });
    }
    while let Some(answered) = askers.join_next().await {
        answered.unwrap();
    }
    assert_eq!((handler.0.load(Ordering::SeqCst), server.status().requests), (20, 60));
}

#[tokio::test]
async fn heads_without_a_body_and_dates_of_their_own() {
    let (handler, _, address, _drain) = both_within(ServerLimits::default(), SPOKEN);
    let mut client = connect_to(address).await;
    let mut head = request("HEAD", "http://x/short");
    head.headers_mut().insert("dated", "1".parse().unwrap());
    let (status, fields, text) = ask(&mut client, head).await.unwrap();
    assert_eq!((status, text.as_str(), handler.0.load(Ordering::SeqCst)), (200, "", 0));
    assert_eq!(
        (&fields["date"], &fields["content-length"]),
        (&"long ago".parse().unwrap(), &"13".parse().unwrap())
    );
}

#[tokio::test]
async fn what_announces_a_body_goes_the_long_way() {
    let (handler, _, address, _drain) = both_within(ServerLimits::default(), SPOKEN);
    let mut client = connect_to(address).await;
    let mut announced = request("GET", "http://x/short");
    announced.headers_mut().insert("content-length", "0".parse().unwrap());
    assert_eq!(ask(&mut client, announced).await.unwrap().2, "long");
    let (response, mut body) = client.send_request(request("POST", "http://x/short"), false).unwrap();
    body.send_data(Bytes::from_static(b"hi"), true).unwrap();
    let mut response = patiently(response).await.unwrap();
    assert_eq!(read(response.body_mut()).await.unwrap(), "long");
    assert_eq!(handler.0.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_counts_hops_goes_the_long_way() {
    let (handler, _, address, _drain) = both_within(ServerLimits::default(), SPOKEN);
    let mut client = connect_to(address).await;
    for (method, hops, expected) in [
        ("OPTIONS", "1", "long"),
        ("OPTIONS", "0", ""),
        ("GET", "0", "GET /short x"),
    ] {
        let mut asked = request(method, "http://x/short");
        asked.headers_mut().insert("max-forwards", hops.parse().unwrap());
        assert_eq!(ask(&mut client, asked).await.unwrap().2, expected, "{method} {hops}");
    }
    assert_eq!(handler.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_the_windows_have_no_room_for_follows_as_they_open() {
    let (handler, _, address, _drain) = both_within(ServerLimits::default(), SPOKEN);
    let mut client = connect_to(address).await;
    for (target, length) in [("some", SOME), ("much", MUCH), ("some", SOME)] {
        let (_, fields, text) = ask(&mut client, request("GET", &format!("http://x/short/of/{target}")))
            .await
            .unwrap();
        assert_eq!(
            (fields["content-length"].to_str().unwrap(), text.len()),
            (length.to_string().as_str(), length)
        );
    }
    assert_eq!(handler.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_client_that_asks_and_asks_and_reads_nothing_costs_what_it_may_and_is_cut_off() {
    let mut limits = ServerLimits::default();
    (limits.http2.streams_max, limits.stall_timeout) = (20, Duration::from_millis(300));
    let (_, server, address, _drain) = both_within(limits, SPOKEN);
    let mut raw = Raw::connect_to(address).await;
    let largest = 0x7fff_ffffu32.to_be_bytes();
    raw.send(4, 0, 0, &[&[0, 4], &largest[..]].concat()).await;
    raw.send(8, 0, 0, &0x7fff_0000u32.to_be_bytes()).await;
    let get = block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", "/short/of/some"),
    ]);
    // What the sockets hold is answered, then as much as may be under way; the rest is not even looked at.
    let mut asked = 0u32;
    while u64::from(asked) == server.status().requests {
        raw.send(1, 0x5, 2 * asked + 1, &get).await;
        asked += 1;
        until("it is answered, or the client is cut off", || {
            let status = server.status();
            status.requests == u64::from(asked) || status.http2_connections == 1 && status.connections_open == 0
        })
        .await;
    }
    let status = server.status();
    assert_eq!(status.stalled, 1, "{status:?}");
    let held = status.requests * SOME as u64;
    assert!(held < 256 << 20, "{} answers", status.requests);
}

#[tokio::test]
async fn the_drain_ends_connections_that_were_answered_at_once() {
    let (_, server, address, drain) = both_within(ServerLimits::default(), SPOKEN);
    let mut client = connect_to(address).await;
    assert_eq!(ask(&mut client, request("GET", "http://x/short")).await.unwrap().0, 200);
    drain.retire();
    until("nothing is left", || server.status().connections_open == 0).await;
    assert!(ask(&mut client, request("GET", "http://x/short")).await.is_err());
}
