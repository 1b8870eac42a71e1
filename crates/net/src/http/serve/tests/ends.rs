//! How connections and servers end.

use super::*;
use crate::drain::Drained;
use crate::tests::until;
use std::time::Duration;
use tokio::sync::Notify;

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const LONG: Duration = Duration::from_secs(20);

/// A server whose handler begins with a piece, then waits for `release`.
fn holding(release: &Arc<Notify>, begun: &Arc<Notify>) -> Running {
    let (release, begun) = (Arc::clone(release), Arc::clone(begun));
    Running::start(
        |_| {},
        move |_| {
            let (release, begun) = (Arc::clone(&release), Arc::clone(&begun));
            async move {
                begun.notify_one();
                release.notified().await;
                Response::new(Body::full("done"))
            }
        },
    )
}

#[tokio::test]
async fn a_server_that_retires_answers_those_who_are_connected_once_more() {
    let (release, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let running = holding(&release, &begun);
    let (mut idle, mut active) = (running.client().await, running.client().await);
    active.send(REQUEST).await;
    begun.notified().await;
    running.drain.retire();
    for client in [&mut active, &mut idle] {
        client.send(REQUEST).await;
        release.notify_one();
        let answer = client.rest().await.unwrap();
        assert!(
            answer.contains("connection: close") && answer.ends_with("done"),
            "{answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    let late = tokio::net::TcpStream::connect(running.address).await;
    assert_eq!(late.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_listener_that_is_closed_leaves_its_connections_alone() {
    let server = Server::new(
        ServerLimits::default(),
        ServerParts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
        },
    );
    let (_drain, watch) = crate::drain::channel();
    let handler = Arc::new(With(
        async |_: Request<Body>| Response::new(Body::full("here")),
        Spoken::default(),
    ));
    let serve = |watch| {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        server.serve(listener, Arc::clone(&handler), watch)
    };
    let (one, other) = (serve(watch.clone()), serve(watch));
    let mut kept = Wire::connect(one.address()).await;
    kept.send(REQUEST).await;
    kept.head().await.unwrap();
    kept.bytes(4).await;
    assert!(one.share().unwrap().is_some());
    one.close();
    let refused = async || tokio::net::TcpStream::connect(one.address()).await.is_err();
    while !refused().await {}
    assert!(one.share().unwrap().is_none());
    kept.send(REQUEST).await;
    assert!(kept.head().await.unwrap().contains("200"));
    Wire::connect(other.address()).await.send(REQUEST).await;
}

#[tokio::test]
async fn a_socket_that_is_shared_goes_on_when_its_first_server_ends() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let shared = listener.share().unwrap();
    let address = listener.address();
    drop(listener);
    let waiting = tokio::net::TcpStream::connect(address).await.unwrap();
    let again = Listener::from_fd(shared).unwrap();
    assert_eq!(again.address(), address);
    let (_, peer) = again.accept().await.unwrap();
    assert_eq!(peer, waiting.local_addr().unwrap());
    let no_listener = std::net::TcpStream::connect(address).unwrap();
    assert!(Listener::from_fd(no_listener.into()).is_err());
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_closes_the_rest() {
    let (release, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let running = holding(&release, &begun);
    let (mut fresh, mut idle, mut active) = (running.client().await, running.client().await, running.client().await);
    idle.send(REQUEST).await;
    begun.notified().await;
    release.notify_one();
    idle.head().await.unwrap();
    idle.bytes(4).await;
    active.send(REQUEST).await;
    begun.notified().await;

    running.drain.start();
    assert_eq!(
        fresh.rest().await.unwrap(),
        "",
        "a connection without any request is closed"
    );
    assert_eq!(
        idle.rest().await.unwrap(),
        "",
        "a connection without another request is closed"
    );
    until("only the request under way is left", || running.drain.open() == 1).await;
    assert_eq!(
        running.drain.finished(Duration::ZERO, &TokioRuntime).await,
        Drained { open: 1 }
    );
    let late = tokio::net::TcpStream::connect(running.address).await;
    assert_eq!(late.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);

    release.notify_one();
    let answer = active.rest().await.unwrap();
    assert!(
        answer.contains("connection: close") && answer.ends_with("done"),
        "{answer}"
    );
    assert_eq!(running.drain.finished(LONG, &TokioRuntime).await, Drained { open: 0 });
}

#[tokio::test]
async fn the_address_is_free_again_at_once() {
    let running = Running::echo(|_| {});
    let address = running.address;
    let mut client = running.client().await;
    client.send(REQUEST).await;
    client.head().await.unwrap();
    running.drain.start();
    assert_eq!(running.drain.finished(LONG, &TokioRuntime).await, Drained { open: 0 });
    until("the listener is closed", || Listener::bind(address).is_ok()).await;
}

#[tokio::test]
async fn the_work_for_a_client_that_left_is_dropped() {
    struct Dropped(Arc<Notify>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begin, drops) = (Arc::clone(&begun), Arc::clone(&dropped));
    let running = Running::start(
        |_| {},
        move |_| {
            let (begin, dropped) = (Arc::clone(&begin), Dropped(Arc::clone(&drops)));
            async move {
                begin.notify_one();
                std::future::pending::<()>().await;
                drop(dropped);
                Response::new(Body::empty())
            }
        },
    );
    let mut client = running.client().await;
    client.send(REQUEST).await;
    begun.notified().await;
    drop(client);
    dropped.notified().await;
    until("the connection is gone", || {
        running.server.status().connections_open == 0
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_connection_only() {
    let running = Running::start(
        |_| {},
        async |request: Request<Body>| {
            assert_ne!(request.uri(), "/panic", "as the test wants");
            Response::new(Body::full("fine"))
        },
    );
    assert_eq!(running.whole_answer("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await, "");
    let answer = running
        .whole_answer("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.ends_with("fine"), "{answer}");
    until("nothing is counted as open", || {
        running.server.status().connections_open == 0
    })
    .await;
}
