//! A hit over HTTP/2 and TLS, with h2load (of nghttp2) as the client.

use crate::http::Effort;
use crate::http::contest::{self, contestants};
use crate::http::drive::Driven;
use crate::http::process::Server;
use crate::http::servers::{Certificate, Servers, Setup, program};
use crate::pinning;
use crate::report::Section;
use std::fs;
use std::path::Path;
use std::process::Command;

const CONNECTIONS: usize = 16;
const STREAMS: usize = 8;

/// Adds the table.
pub(super) fn measure(
    section: &mut Section,
    effort: &Effort,
    servers: &Servers,
    origin: &Server,
    certificate: &Certificate,
) -> Result<(), String> {
    let Some(client) = program("h2load") else {
        let skipped = "HTTP/2 skipped: h2load is not installed: `make bench` installs it";
        section.notes.push(skipped.to_owned());
        return Ok(());
    };
    let core = [pinning::first()];
    let setup = Setup {
        certificate: Some(certificate),
        ..Setup::ample(origin.address, &core)
    };
    let mut all = contestants(servers.caches(&setup, &mut section.notes));
    contest::run(&mut all, effort.rounds, &mut section.notes, |server| {
        load(&client, server, effort.millis)
    });
    let title = format!("A hit of 1 KiB over HTTP/2 and TLS: {CONNECTIONS} connections of {STREAMS} streams");
    section.tables.push(contest::table(&title, effort, &all));
    Ok(())
}

fn load(client: &Path, server: &Server, millis: u64) -> Result<Driven, String> {
    let address = server.secure.ok_or_else(|| format!("{} speaks no TLS", server.name))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let log = folder.path().join("times");
    let before = server.processor_time();
    let output = Command::new(client)
        .args(["--clients", &CONNECTIONS.to_string(), "--max-concurrent-streams"])
        .arg(STREAMS.to_string())
        .args(["--duration", &format!("{}s", millis.div_ceil(1000)), "--log-file"])
        .arg(&log)
        .arg(format!("https://{address}/bytes/1024/product/1"))
        .output()
        .map_err(|error| format!("h2load cannot be run: {error}"))?;
    let used = server.processor_time().saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stdout);
    let requests_per_s = rate(&said).ok_or_else(|| format!("h2load said: {}", said.trim()))?;
    let log = fs::read_to_string(&log).map_err(|error| error.to_string())?;
    let mut times_us = times(&log)?;
    times_us.sort_unstable();
    let at = |share: usize| times_us.get((times_us.len() * share / 100).min(times_us.len().saturating_sub(1)));
    #[expect(clippy::cast_precision_loss, reason = "times and counts are less than 2^53")]
    let (p50_us, p99_us, count) = (
        at(50).copied().unwrap_or_default() as f64,
        at(99).copied().unwrap_or_default() as f64,
        times_us.len().max(1) as f64,
    );
    Ok(Driven {
        requests_per_s,
        p50_us,
        p99_us,
        processor_us: used.as_secs_f64() * 1e6 / count,
        resident_bytes: server.resident_bytes(),
    })
}

/// From `finished in 1.00s, 12345.67 req/s, 12.3MB/s`.
fn rate(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.starts_with("finished in"))?;
    line.split(", ")
        .find_map(|part| part.strip_suffix(" req/s"))?
        .parse()
        .ok()
}

/// The times of the requests in microseconds, from lines of start, status and time.
fn times(log: &str) -> Result<Vec<u64>, String> {
    let line = |line: &str| {
        let mut fields = line.split('\t').skip(1);
        let (status, time) = (fields.next()?, fields.next()?.parse().ok()?);
        Some((status == "200").then_some(time))
    };
    log.lines()
        .map(|text| {
            line(text)
                .flatten()
                .ok_or_else(|| format!("not every answer was 200: {text}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_in_what_h2load_says() {
        let said = "starting benchmark...\nfinished in 1.01s, 61234.50 req/s, 70.1MB/s\nrequests: 61846 total\n";
        assert_eq!(rate(said), Some(61234.5));
        assert_eq!(rate("Connection refused"), None);
    }

    #[test]
    fn an_answer_that_is_no_page_fails_the_run() {
        assert_eq!(times("1\t200\t130\n2\t200\t90\n").unwrap(), [130, 90]);
        assert!(times("1\t200\t130\n2\t502\t90\n").is_err());
    }
}
