//! The demo: a shop with and without Peregrine, every answer compared with the shop's truth.

use crate::harness::{Process, Signal, get, process, until};
use serde_json::{Value, json};
use std::net::TcpListener;

const FREE: [&str; 6] = ["--port", "0", "--admin-port", "0", "--origin-port", "0"];

#[test]
fn the_demo_ends_with_no_wrong_answer_and_fewer_requests_to_the_origin() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["demo", "--once", "--seconds", "2", "--json"], &FREE[..]].concat();
    let output = process::command(folder.path(), &arguments).output().unwrap();
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    let told: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(!errors.contains("panicked"), "{errors}");
    for (way, origin_share_max) in [("direct", 1.0), ("proxied", 0.7)] {
        let number = |path: &str| {
            told[way]
                .pointer(path)
                .and_then(Value::as_f64)
                .unwrap_or_else(|| panic!("{path}: {told:#}"))
        };
        let (checked, asked) = (number("/findings/checked"), number("/origin/requests"));
        assert!(
            checked > 100.0 && checked == number("/load/answers_with_warm_up"),
            "{told:#}"
        );
        assert_eq!(told[way]["findings"]["wrong"], json!({}), "{told:#}");
        assert_eq!(told[way]["load"]["failures"], json!({}), "{told:#}");
        assert!(
            asked <= checked * origin_share_max,
            "{way}: {asked} of {checked} reached the shop"
        );
    }
    let load = &told["proxied"]["load"];
    let (hits, answers) = (load["hits"].as_f64().unwrap(), load["answers"].as_f64().unwrap());
    assert!(hits > answers * 0.3, "{hits} hits of {answers}");
    assert!(
        told["origin_requests_avoided"].as_f64() > Some(0.0) && told["bytes_saved"].as_f64() > Some(0.0),
        "{told:#}"
    );
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_option() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    for option in ["--port", "--admin-port", "--origin-port"] {
        let mut arguments = vec!["demo", "--once", "--seconds", "1"];
        for other in ["--port", "--admin-port", "--origin-port"] {
            arguments.extend([other, if other == option { &port } else { "0" }]);
        }
        let output = process::command(folder.path(), &arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{option}: {error}");
        assert!(error.contains(option) && error.contains(&port), "{option}: {error}");
    }
}

#[test]
fn the_demo_keeps_serving_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["demo", "--seconds", "1"], &FREE[..]].concat();
    let mut demo = Process::start(process::command(folder.path(), &arguments));
    let proxy = demo.address("The shop is at");
    assert_eq!(get(proxy, "/products/7", &[]).status, 200);
    demo.signal(Signal::INT);
    until("its end", || !demo.is_running());
    assert_eq!(demo.exit_code(), Some(0), "{}", demo.log());
}
