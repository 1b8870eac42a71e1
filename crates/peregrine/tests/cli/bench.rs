//! `bench` against the sample shop, which a hidden option of `demo` runs alone.

use super::run::{Place, assert_says, run};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// The shop as a process of its own.
struct Shop {
    process: Child,
    url: String,
}

impl Shop {
    fn open() -> Self {
        let mut command = Place::new().command(&["demo", "--only-origin", "--origin-port", "0"]);
        let mut process = command.current_dir("/").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().strip_prefix("shop: ").unwrap().to_owned();
        Self { process, url }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn two_urls_stand_side_by_side() {
    let shop = Shop::open();
    let (health, logo) = (format!("{}/healthz", shop.url), format!("{}/assets/logo.svg", shop.url));
    let said = run(&["bench", "-n", "50", "-c", "2", &health, &logo]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_says(&said.out, &["/healthz", "/assets/logo.svg", "closed", "200: 50", "p99"]);
    let said = run(&["bench", "-n", "20", "--rate", "1000", "--json", &health]);
    let reports: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(reports[0]["statuses"]["200"], 20);
    assert_eq!(reports[0]["pace"], "open");
}

#[test]
fn a_taken_port_names_the_option_that_chooses_another() {
    let shop = Shop::open();
    let port = shop.url.rsplit(':').next().unwrap();
    let said = run(&["demo", "--origin-port", port]);
    assert_eq!(said.code, 1);
    assert_says(&said.err, &["already taken", "--origin-port"]);
}

#[test]
fn what_cannot_be_measured_is_told() {
    for (arguments, code, expected) in [
        (
            &["bench", "http://127.0.0.1:1/"][..],
            1,
            "cannot connect to http://127.0.0.1:1",
        ),
        (&["bench", "127.0.0.1:1"], 2, "is not a URL"),
        (&["bench", "http://127.0.0.1:1/", "-H", "x"], 2, "`x` is not a header"),
        (
            &["bench", "http://127.0.0.1:1/", "--rate", "0"],
            2,
            "the rate must be more than 0",
        ),
        (
            &["bench", "http://127.0.0.1:1/", "-X", "G T"],
            2,
            "`G T` is not a method",
        ),
    ] {
        let said = run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.err);
        assert_says(&said.err, &[expected]);
    }
}
