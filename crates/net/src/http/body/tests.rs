//! Bodies keep their bytes, their length and their errors, whatever they are made of.

use super::*;

fn parts(texts: &[&'static str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
}

/// A stream without a known length.
fn stream(items: Vec<Result<Bytes, BodyError>>) -> Body {
    let mut items = items.into_iter();
    Body::from_poll(None, move |_| Poll::Ready(items.next()))
}

#[tokio::test]
async fn every_kind_yields_its_bytes_and_knows_its_length() {
    let cases = [
        (Body::empty(), "", Some(0)),
        (Body::full(""), "", Some(0)),
        (Body::full("whole"), "whole", Some(5)),
        (Body::chunks(parts(&["", "in ", "", "parts"])), "in parts", Some(8)),
        (
            stream(parts(&["st", "ream"]).into_iter().map(Ok).collect()),
            "stream",
            None,
        ),
    ];
    for (body, text, length) in cases {
        assert_eq!(body.length(), length, "{text}");
        assert_eq!(body.is_empty(), length == Some(0), "{text}");
        assert_eq!(body.collect(100).await.unwrap(), text);
    }
}

#[tokio::test]
async fn collecting_stops_at_the_limit() {
    let too_large = |error: BodyError| error.fault == BodyFault::TooLarge;
    assert_eq!(Body::full("12345").collect(5).await.unwrap(), "12345");
    assert!(Body::full("123456").collect(5).await.is_err_and(too_large));
    assert!(
        stream(parts(&["123", "456"]).into_iter().map(Ok).collect())
            .collect(5)
            .await
            .is_err_and(too_large)
    );
}

#[tokio::test]
async fn an_error_in_the_middle_is_an_error() {
    let broken = BodyError::new(BodyFault::Broken, Party::Upstream);
    let mut body = stream(vec![Ok(Bytes::from_static(b"half")), Err(broken)]);
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    assert_eq!(body.next().await.unwrap().unwrap_err(), broken);
}

#[test]
fn only_bytes_at_hand_are_replayed() {
    assert!(Body::empty().replay().is_some());
    assert_eq!(Body::full("again").replay().unwrap().length(), Some(5));
    assert_eq!(Body::chunks(parts(&["a", "gain"])).replay().unwrap().length(), Some(5));
    assert!(stream(Vec::new()).replay().is_none());
}
