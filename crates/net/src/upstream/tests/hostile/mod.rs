//! Origins whose answers lie about themselves: what the asker sees, and whether the connection serves another request.
//! Whatever leaves a doubt costs the connection, so that no byte of one answer is ever read as a part of the next.

mod bodies;
mod framing;
mod heads;

use super::*;
use tokio::io::AsyncWriteExt;

/// What the asker sees.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// An answer with this status and body.
    Answer(u16, &'static str),
    /// A failure with this word, before the answer or in the middle of its body.
    Failure(&'static str),
}
use Seen::{Answer, Failure};

struct Case {
    /// What is wrong with it.
    name: &'static str,
    method: &'static str,
    sent: Vec<u8>,
    /// The origin closes the connection after that.
    closes: bool,
    seen: Seen,
    /// The next request goes over the same connection.
    reused: bool,
}

fn case(name: &'static str, sent: impl AsRef<[u8]>, seen: Seen, reused: bool) -> Case {
    Case {
        name,
        method: "GET",
        sent: sent.as_ref().to_vec(),
        closes: false,
        seen,
        reused,
    }
}

/// An answer with these fields and what follows them.
fn with(name: &'static str, fields: &str, rest: &str, seen: Seen, reused: bool) -> Case {
    case(name, format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{rest}"), seen, reused)
}

impl Case {
    fn by_head(mut self) -> Self {
        self.method = "HEAD";
        self
    }

    fn and_closes(mut self) -> Self {
        self.closes = true;
        self
    }

    /// What is seen of it, and whether its connection is used again.
    async fn meet(&self) -> (Result<(u16, String), &'static str>, bool) {
        let (sent, closes) = (self.sent.clone(), self.closes);
        let origin = Origin::start(move |mut wire, number| {
            let sent = sent.clone();
            async move {
                wire.head().await;
                if number == 0 {
                    // Who is refused may have gone already.
                    let _ = wire.stream.write_all(&sent).await;
                    if closes || wire.head().await.is_none() {
                        return;
                    }
                }
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext").await;
            }
        })
        .await;
        let upstream = upstream_of(&[&origin.url()], |config| {
            config.response_head_max = "4KiB".parse().unwrap();
            config.response_fields_max = 16;
            config.interim_max = 3;
        });
        let seen = match upstream
            .send(request(self.method, "/", Body::empty()), Retry::Never)
            .await
        {
            Err(error) => {
                assert_eq!(error.status().as_u16(), 502, "{}: {error}", self.name);
                Err(error.as_str())
            }
            Ok((response, _)) => {
                let status = response.status().as_u16();
                let framing =
                    ["transfer-encoding", "content-length"].map(|name| response.headers().get_all(name).iter().count());
                assert!(
                    framing[0] == 0 && framing[1] <= 1,
                    "{}: {:?}",
                    self.name,
                    response.headers()
                );
                match response.into_body().collect(1 << 20).await {
                    Ok(bytes) => Ok((status, String::from_utf8_lossy(&bytes).into_owned())),
                    Err(error) => Err(error.fault.as_str()),
                }
            }
        };
        let (next, exchange) = fetch(&upstream, get("/next"), Retry::Never).await.unwrap();
        assert_eq!(next, "next", "{}", self.name);
        assert_eq!(exchange.reused, origin.accepted() == 1, "{}", self.name);
        (seen, exchange.reused)
    }
}

async fn all_are_seen(cases: Vec<Case>) {
    for case in cases {
        let (seen, reused) = case.meet().await;
        let expected = match case.seen {
            Answer(status, body) => Ok((status, body.to_owned())),
            Failure(word) => Err(word),
        };
        assert_eq!((seen, reused), (expected, case.reused), "{}", case.name);
    }
}

#[tokio::test]
async fn what_comes_over_an_idle_connection_closes_it() {
    let (speak, spoken) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let (hear, said) = (Arc::clone(&speak), Arc::clone(&spoken));
    let origin = Origin::start(move |mut wire, number| {
        let (hear, said) = (Arc::clone(&hear), Arc::clone(&said));
        async move {
            while wire.head().await.is_some() {
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                if number == 0 {
                    hear.notified().await;
                    wire.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison").await;
                    said.notify_one();
                }
            }
        }
    })
    .await;
    let upstream = upstream(&origin);
    assert_eq!(fetch(&upstream, get("/"), Retry::Safe).await.unwrap().0, "ok");
    speak.notify_one();
    spoken.notified().await;
    // Whether anybody has noticed it yet or not: it is there before the request is.
    assert_eq!(fetch(&upstream, get("/"), Retry::Safe).await.unwrap().0, "ok");
    assert_eq!(origin.accepted(), 2);
}

#[tokio::test]
async fn no_random_bytes_panic_or_hang() {
    let random = SeededRandom::new(11);
    let words: [&[u8]; 14] = [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 103 X\r\n",
        b"HTTP/1.0 204 X\r\n",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"\n",
        b"0",
        b"5\r\nhello\r\n",
        b"2",
        b"\0",
        b" ",
        b"ok",
    ];
    for _ in 0..200 {
        let mut sent = Vec::new();
        for _ in 0..random.next_u64() % 12 {
            let word = usize::try_from(random.next_u64() % 14).unwrap();
            sent.extend_from_slice(words[word]);
        }
        let bytes = sent.clone();
        let origin = Origin::start(move |mut wire, _| {
            let bytes = bytes.clone();
            async move {
                wire.head().await;
                let _ = wire.stream.write_all(&bytes).await;
            }
        })
        .await;
        if let Ok((response, _)) = upstream(&origin).send(get("/"), Retry::Never).await {
            let _ = response.into_body().collect(1 << 16).await;
        }
    }
}
