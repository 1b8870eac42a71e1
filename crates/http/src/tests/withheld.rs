//! Which bytes count as sent uncompressed, and by which parameter; both ways of an answer count alike.

use super::bench::{Bench, answer};
use super::*;
use peregrine_cache::StrategyConfig;
use peregrine_net::http::{Answer, Handler as _, HeadView, Peer};
use std::net::SocketAddr;

const URL: &str = "http://shop.example/page";
const TAKES: (&str, &str) = ("accept-encoding", "gzip, br");

/// A bench whose origin answers with `length` bytes of `kind`.
fn bench(change: impl FnOnce(&mut StrategyConfig), kind: &'static str, length: usize) -> Bench {
    Setup::plain().strategy(change).before(move |_| {
        let fields = [("cache-control", "max-age=60"), ("content-type", kind)];
        let response = answer(200, &fields, "a".repeat(length));
        async { response }
    })
}

fn counted(bench: &Bench) -> Vec<(&'static str, u64)> {
    let counts = bench.metrics().uncompressed_bytes().collect::<Vec<_>>();
    let some = counts.into_iter().filter(|(_, bytes)| *bytes > 0);
    some.map(|(because, bytes)| (because.as_str(), bytes)).collect()
}

/// One hit by the short way.
fn shortly(bench: &Bench, method: &str) {
    let fields = [("Host", "shop.example"), TAKES].map(|(name, value)| httparse::Header {
        name,
        value: value.as_bytes(),
    });
    let head = HeadView {
        method,
        target: "/page",
        host: "shop.example",
        version: http::Version::HTTP_11,
        fields: &fields,
        body: false,
    };
    let socket = SocketAddr::from(([127, 0, 0, 1], 4711));
    let peer = Peer {
        address: socket,
        local: socket,
        tls: false,
    };
    assert!(bench.plane.at_once(&head, &peer, &mut Answer::default()));
}

#[tokio::test]
async fn bytes_that_a_parameter_keeps_from_being_encoded_are_counted_under_its_name() {
    type Change = fn(&mut StrategyConfig);
    let off: Change = |strategy| strategy.encode.clear();
    let types: Change = |strategy| strategy.encode_types = vec!["text/html".to_owned()];
    let size: Change = |strategy| strategy.encode_min_size = "1MiB".parse().unwrap();
    let cases: [(Change, &'static str, usize, &[&str]); 9] = [
        (off, "application/json; charset=utf-8", 2000, &["encode"]),
        (types, "Application/JSON", 2000, &["encode_types"]),
        (size, "text/html", 2000, &["encode_min_size"]),
        // What would not shrink, or fits a packet anyway, or is offered.
        (off, "image/png", 2000, &[]),
        (off, "text/event-stream", 2000, &[]),
        (types, "image/png", 2000, &[]),
        (off, "text/html", 1000, &[]),
        (types, "text/html", 2000, &[]),
        (|_| {}, "text/html", 2000, &[]),
    ];
    for (change, kind, length, because) in cases {
        let bench = bench(change, kind, length);
        bench.get_stored(URL, &[TAKES]).await;
        assert_eq!(counted(&bench), [], "what a load brings is never encoded");
        assert!(bench.get(URL, &[TAKES]).await.is_hit());
        let expected: Vec<_> = because.iter().map(|because| (*because, length as u64)).collect();
        assert_eq!(counted(&bench), expected, "{kind}");
        shortly(&bench, "GET");
        let expected: Vec<_> = because.iter().map(|because| (*because, 2 * length as u64)).collect();
        assert_eq!(counted(&bench), expected, "{kind} by the short way");
        // Who takes no coding misses nothing, and who asks for a head gets no bytes.
        bench.get(URL, &[]).await;
        bench.ask("HEAD", URL, &[TAKES]).await;
        shortly(&bench, "HEAD");
        assert_eq!(counted(&bench), expected, "{kind}");
    }
}
