//! TLS with real handshakes: which certificate is shown, what is agreed on, who is let in, and what is counted.

use super::*;
use crate::config::{CertificateConfig, ClientAuth, ListenerConfig, ListenerTlsConfig, TlsVersion};
use crate::tests::{Authority, Folder, PATIENCE, until};
use rustls::ClientConfig;
use rustls_pki_types::{PrivateKeyDer, ServerName};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server with TLS, and an authority that its certificates come from.
struct Secure {
    running: Running,
    tls: Arc<Tls>,
    authority: Authority,
    folder: Folder,
}

impl Secure {
    fn start(limits: impl FnOnce(&mut ServerLimits), change: impl FnOnce(&Folder, &mut ListenerTlsConfig)) -> Self {
        let (folder, authority) = (Folder::new(), Authority::new());
        authority.write(&folder, "first", &["first.example"]);
        let mut config = ListenerConfig::defaults("127.0.0.1:0").tls;
        (config.certificate, config.key) = (Some(folder.path("first.pem")), Some(folder.path("first.key")));
        for (name, names) in [("wild", ["*.wild.example"]), ("exact", ["exact.wild.example"])] {
            authority.write(&folder, name, &names);
            config.certificates.push(CertificateConfig {
                certificate: folder.path(&format!("{name}.pem")),
                key: folder.path(&format!("{name}.key")),
            });
        }
        change(&folder, &mut config);
        let tls = Tls::load(&config, true).unwrap();
        let spoken = Spoken {
            tls: Some(Arc::clone(&tls)),
            ..Spoken::default()
        };
        let running = Running::start_as(limits, spoken, async |request: Request<Body>| {
            Response::new(Body::full(format!("{:?} {}", request.version(), request.uri())))
        });
        Self {
            running,
            tls,
            authority,
            folder,
        }
    }

    fn client(&self) -> ClientConfig {
        client(&self.authority, None)
    }

    async fn connect(&self, name: &str, config: impl Into<Arc<ClientConfig>>) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.running.address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connecting = TlsConnector::from(config.into()).connect(name, stream);
        tokio::time::timeout(PATIENCE, connecting).await.unwrap()
    }

    fn failures(&self, reason: &str) -> u64 {
        self.running.server.status().arrival_failures[reason]
    }
}

/// A client that trusts `authority`, shows `own`, and would speak either version.
fn client(authority: &Authority, own: Option<&Authority>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots());
    match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let (certificate, key) = own.issue(&["client.example"]);
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder
                .with_client_auth_cert(vec![certificate.der().clone()], key)
                .unwrap()
        }
    }
}

/// What comes back for a GET over HTTP/1.1.
async fn ask(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    stream
        .write_all(b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer));
    read.await.expect("an answer or an end")?;
    Ok(answer)
}

#[tokio::test]
async fn the_certificate_is_that_of_the_name() {
    let secure = Secure::start(|_| {}, |_, _| {});
    for name in [
        "first.example",
        "a.wild.example",
        "exact.wild.example",
        "EXACT.wild.example",
    ] {
        let mut stream = secure
            .connect(name, secure.client())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        // The request is known to have come over TLS: `Running` asserts it.
        assert!(ask(&mut stream).await.unwrap().ends_with("HTTP/1.1 /a"));
    }
    let exact = secure.connect("exact.wild.example", secure.client()).await.unwrap();
    let shown = exact.get_ref().1.peer_certificates().unwrap()[0].clone();
    let parsed = webpki::EndEntityCert::try_from(&shown).unwrap();
    assert_eq!(parsed.valid_dns_names().collect::<Vec<_>>(), ["exact.wild.example"]);
    // Any other name is shown the first, which is not for it.
    let error = secure.connect("other.example", secure.client()).await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    until("its alert is counted", || secure.failures("tls_alert") == 1).await;
    assert_eq!(secure.running.server.status().tls_handshakes, 5);
}

#[tokio::test]
async fn a_session_is_resumed_and_a_changed_certificate_is_shown_to_the_next() {
    let secure = Secure::start(|_| {}, |_, _| {});
    let config = Arc::new(secure.client());
    for _ in 0..2 {
        let mut stream = secure.connect("first.example", Arc::clone(&config)).await.unwrap();
        ask(&mut stream).await.unwrap();
    }
    assert_eq!(secure.running.server.status().tls_resumptions, 1);
    secure.authority.write(&secure.folder, "first", &["second.example"]);
    secure.tls.look();
    secure.connect("second.example", secure.client()).await.unwrap();
    // What was agreed on under the old certificate ends with it.
    assert!(secure.connect("first.example", config).await.is_err());
    assert_eq!(secure.running.server.status().tls_resumptions, 1);
}

#[tokio::test]
async fn only_versions_and_protocols_that_are_spoken_are_agreed_on() {
    let secure = Secure::start(|_| {}, |_, tls| tls.min_version = TlsVersion::Tls13);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(secure.authority.roots())
        .with_no_client_auth();
    assert!(secure.connect("first.example", old).await.is_err());
    let mut other = secure.client();
    other.alpn_protocols = vec![b"spdy/3".to_vec()];
    assert!(secure.connect("first.example", other).await.is_err());
    until("both are counted", || secure.failures("tls_incompatible") == 2).await;
    for (offered, agreed) in [(vec!["h2", "http/1.1"], "h2"), (vec!["http/1.1"], "http/1.1")] {
        let mut config = secure.client();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = secure.connect("first.example", config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(agreed.as_bytes()));
    }
}

#[tokio::test]
async fn clients_show_certificates_where_they_must() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let start = |auth| {
        Secure::start(
            |_| {},
            |folder, tls| {
                std::fs::write(folder.path("clients.pem"), ours.certificate.pem()).unwrap();
                (tls.client_auth, tls.client_ca) = (auth, Some(folder.path("clients.pem")));
            },
        )
    };
    for (auth, without) in [(ClientAuth::Required, false), (ClientAuth::Optional, true)] {
        let secure = start(auth);
        for (own, served) in [(Some(&ours), true), (None, without), (Some(&theirs), false)] {
            // A client of TLS 1.3 believes that it is done before its certificate was looked at.
            let answer = match secure.connect("first.example", client(&secure.authority, own)).await {
                Ok(mut stream) => ask(&mut stream).await,
                Err(error) => Err(error),
            };
            assert_eq!(
                answer.is_ok_and(|answer| answer.ends_with("/a")),
                served,
                "{auth:?} {served}"
            );
        }
        assert_eq!(secure.failures("tls_client_certificate_missing"), u64::from(!without));
        assert_eq!(secure.failures("tls_client_certificate_invalid"), 1);
        assert_eq!(secure.running.server.status().requests, 1 + u64::from(without));
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_ended_and_holds_up_nobody() {
    let secure = Secure::start(
        |limits| {
            limits.tls.handshake_timeout = Duration::from_millis(200);
            limits.tls.handshakes_max = 1;
        },
        |_, _| {},
    );
    let mut silent = secure.running.client().await;
    secure.connect("first.example", secure.client()).await.unwrap();
    assert!(silent.rest().await.unwrap_or_default().is_empty());
    assert_eq!(secure.failures("tls_timeout"), 1);
    // Plain HTTP is no handshake.
    let mut plain = secure.running.client().await;
    plain.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let _ = plain.rest().await;
    until("it is counted", || secure.failures("tls_malformed") == 1).await;
    secure.running.client().await.reset();
    until("all are gone", || secure.running.server.status().connections_open == 0).await;
    assert_eq!(secure.running.server.status().requests, 0);
}

#[tokio::test]
async fn who_begins_handshakes_and_ends_none_holds_up_nobody() {
    let secure = Secure::start(
        |limits| {
            limits.tls.handshake_timeout = Duration::from_secs(600);
            limits.tls.handshakes_max = 2;
        },
        |_, _| {},
    );
    let mut begun = Vec::new();
    for _ in 0..2 {
        let name = ServerName::try_from("first.example").unwrap();
        let mut hello = rustls::ClientConnection::new(Arc::new(secure.client()), name).unwrap();
        let mut bytes = Vec::new();
        hello.write_tls(&mut bytes).unwrap();
        let mut stream = TcpStream::connect(secure.running.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        // It has its turn once it is answered.
        assert_ne!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        begun.push(stream);
    }
    let mut stream = secure.connect("first.example", secure.client()).await.unwrap();
    assert!(ask(&mut stream).await.unwrap().ends_with("/a"));
    assert_eq!(secure.failures("tls_crowded"), 1);
    // The first one had to go, and only that.
    let mut rest = Vec::new();
    let _ = begun.remove(0).read_to_end(&mut rest).await;
    until("it is gone", || secure.running.server.status().connections_open == 1).await;
    let again = secure.connect("first.example", secure.client()).await;
    assert!(again.is_ok() && secure.failures("tls_crowded") == 1);
}

#[tokio::test]
async fn an_answer_that_fails_never_looks_whole() {
    let (folder, authority) = (Folder::new(), Authority::new());
    authority.write(&folder, "a", &["a.example"]);
    let mut config = ListenerConfig::defaults("127.0.0.1:0").tls;
    (config.certificate, config.key) = (Some(folder.path("a.pem")), Some(folder.path("a.key")));
    let spoken = Spoken {
        tls: Some(Tls::load(&config, true).unwrap()),
        ..Spoken::default()
    };
    let running = Running::start_as(
        |_| {},
        spoken,
        async |_| {
            let mut pieces = vec![
                Err(crate::http::BodyError::new(
                    crate::http::BodyFault::Broken,
                    peregrine_base::Party::Upstream,
                )),
                Ok(bytes::Bytes::from_static(b"part")),
            ];
            Response::new(Body::from_poll(None, move |_| std::task::Poll::Ready(pieces.pop())))
        },
    );
    let stream = TcpStream::connect(running.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(client(&authority, None)));
    let mut stream = connector
        .connect("a.example".try_into().unwrap(), stream)
        .await
        .unwrap();
    assert!(ask(&mut stream).await.is_err(), "an end that is not clean");
    until("it is counted", || running.server.status().cut == 1).await;
}
