//! Groups of responses that their origin invalidates together: RFC 9875.

use super::*;

/// Clause, the response's fields, the groups that it belongs to.
pub(super) const MEMBERS: &[[&str; 3]] = &[
    ["9875 §2", "Cache-Groups: \"a\"", "a"],
    ["9875 §2", "Cache-Groups: \"a\", \"b c\", \"a\"", "a|b c"],
    ["9875 §2", "Cache-Groups: \"a\";x=1 | Cache-Groups: \"b\"", "a|b"],
    ["9875 §2", "Cache-Groups: \"A\", \"a\"", "A|a"],
    ["9875 §2", "Cache-Groups:", ""],
    ["9875 §2", "Cache-Groups: a", ""],
    ["9875 §2", "Cache-Groups: \"a\", 1", ""],
    ["9875 §2", "Cache-Groups: \"a\", (\"b\")", ""],
    ["9875 §2", "Cache-Groups: \"a", ""],
    ["9875 §2", "", ""],
];

/// Clause, method, response, the groups that it invalidates.
pub(super) const INVALIDATED: &[[&str; 4]] = &[
    ["9875 §3", "POST", "200 | Cache-Group-Invalidation: \"a\", \"b\"", "a|b"],
    ["9875 §3", "DELETE", "204 | Cache-Group-Invalidation: \"a\"", "a"],
    ["9875 §3", "PUT", "303 | Cache-Group-Invalidation: \"a\"", "a"],
    ["9875 §3", "M-SEARCH", "200 | Cache-Group-Invalidation: \"a\"", "a"],
    ["9875 §3", "GET", "200 | Cache-Group-Invalidation: \"a\"", ""],
    ["9875 §3", "HEAD", "200 | Cache-Group-Invalidation: \"a\"", ""],
    ["9875 §3", "OPTIONS", "200 | Cache-Group-Invalidation: \"a\"", ""],
    ["9875 §3", "QUERY", "200 | Cache-Group-Invalidation: \"a\"", ""],
    ["9875 §3", "POST", "500 | Cache-Group-Invalidation: \"a\"", ""],
    ["9875 §3", "POST", "404 | Cache-Group-Invalidation: \"a\"", ""],
    ["9875 §3", "POST", "200 | Cache-Group-Invalidation: a", ""],
    ["9875 §3", "POST", "200 | Cache-Groups: \"a\"", ""],
];

/// Clause, response, outcome: a group that cannot be kept would make an invalidation miss its member.
pub(super) const STORED: &[[&str; 3]] = &[
    [
        "9875 §2",
        "200 | Cache-Control: max-age=60 | Cache-Groups: \"a\"",
        "stored_max_age 60s",
    ],
    [
        "9875 §2",
        "200 | Cache-Control: max-age=60 | Cache-Groups: oops(",
        "stored_max_age 60s",
    ],
    [
        "9875 §2",
        "200 | Cache-Control: max-age=60 | Cache-Groups: LONG",
        "tags_unusable",
    ],
    [
        "9875 §2",
        "200 | Cache-Control: max-age=60 | Cache-Groups: MANY",
        "tags_unusable",
    ],
];

#[test]
fn groups_are_strings_and_only_unsafe_methods_invalidate_them() {
    check(MEMBERS, |[_, text, _]| groups(&fields(text)).join("|"));
    check(INVALIDATED, |[_, method, text, _]| {
        let (status, headers) = response(text);
        invalidated_groups(&method.parse().unwrap(), status, &headers).join("|")
    });
    check(STORED, |[_, text, _]| {
        let many: Vec<String> = (0..=TAGS_MAX).map(|number| format!("\"{number}\"")).collect();
        let text = text.replace("LONG", &format!("\"{}\"", "x".repeat(129)));
        stored("", "", &text.replace("MANY", &many.join(", ")))
    });
}
