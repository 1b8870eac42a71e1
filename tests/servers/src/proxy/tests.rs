//! Each harm is done, and undone by `restore`.

use super::*;
use std::io::ErrorKind;

/// A server that answers every byte with the same byte.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut bytes = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    let _ = stream.write_all(&bytes[..length]);
                }
            });
        }
    });
    address
}

/// The answer to one byte: the byte, nothing within a moment, or the end.
fn ask(stream: &mut TcpStream, byte: u8) -> Result<u8, ErrorKind> {
    stream.write_all(&[byte]).map_err(|error| error.kind())?;
    hear(stream, Duration::from_secs(20))
}

fn hear(stream: &mut TcpStream, limit: Duration) -> Result<u8, ErrorKind> {
    stream.set_read_timeout(Some(limit)).unwrap();
    let mut byte = [0];
    match stream.read_exact(&mut byte) {
        Ok(()) => Ok(byte[0]),
        Err(error) => Err(error.kind()),
    }
}

const MOMENT: Duration = Duration::from_millis(50);

#[test]
fn passes_on_and_cuts() {
    let proxy = Proxy::start(echo());
    let connect = || TcpStream::connect(proxy.address()).unwrap();
    let mut stream = connect();
    assert_eq!(ask(&mut stream, 1), Ok(1));
    proxy.cut();
    assert!(ask(&mut stream, 2).is_err());
    assert!(ask(&mut connect(), 3).is_err());
    proxy.restore();
    assert_eq!(ask(&mut connect(), 4), Ok(4));
    assert_eq!(proxy.connections(), 3);
}

#[test]
fn freezes_and_loses_nothing() {
    let proxy = Proxy::start(echo());
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(ask(&mut stream, 1), Ok(1));
    proxy.freeze();
    stream.write_all(&[2]).unwrap();
    assert!(hear(&mut stream, MOMENT).is_err());
    proxy.restore();
    assert_eq!(hear(&mut stream, Duration::from_secs(20)), Ok(2));
}

#[test]
fn swallows_and_then_closes_what_lost_bytes() {
    for replies_only in [false, true] {
        let proxy = Proxy::start(echo());
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut stream, 1), Ok(1));
        if replies_only {
            proxy.drop_replies();
        } else {
            proxy.drop_bytes();
        }
        stream.write_all(&[2]).unwrap();
        assert!(hear(&mut stream, MOMENT).is_err());
        proxy.restore();
        assert_ne!(ask(&mut stream, 3), Ok(3), "nobody can tell what was lost");
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut stream, 4), Ok(4));
    }
}

#[test]
fn delays_each_way() {
    let proxy = Proxy::start(echo());
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(ask(&mut stream, 1), Ok(1));
    proxy.delay(Duration::from_millis(60));
    let begun = Instant::now();
    assert_eq!(ask(&mut stream, 2), Ok(2));
    assert!(begun.elapsed() >= Duration::from_millis(120));
}
