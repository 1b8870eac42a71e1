//! Problem details (RFC 9457) of the admin API, as a failure that says what to do next.

use crate::Failure;
use http::StatusCode;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    errors: Vec<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    field: String,
    detail: String,
}

/// The failure behind an answer of `status` with `body` from the admin API at `base`.
pub(super) fn failure(status: StatusCode, body: &[u8], base: &str, had_token: bool) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let mut said = if problem.detail.is_empty() {
        problem.title
    } else {
        problem.detail
    };
    if said.is_empty() {
        said = format!("it answered {status}");
    }
    for fault in &problem.errors {
        said.push_str(&format!("\n  {}: {}", fault.field, fault.detail));
    }
    match status {
        StatusCode::UNAUTHORIZED if had_token => Failure::Failed(format!(
            "token refused by {base}: {said} Name the file of the right one with --token-file, or set PEREGRINE_ADMIN_TOKEN."
        )),
        StatusCode::UNAUTHORIZED => Failure::Failed(format!(
            "{base} wants a token and none was found: name its file with --token-file, set PEREGRINE_ADMIN_TOKEN, or run this \
             where the server's state directory is."
        )),
        StatusCode::BAD_REQUEST => Failure::Usage(format!("{base} refused: {said}")),
        _ => Failure::Failed(format!("{base} refused: {said}")),
    }
}
