//! Which URLs of a path share an answer by No-Vary-Search. It is a structured field, so its syntax is RFC 9651's.

use super::super::no_vary_search;
use super::*;

/// Clause, what the response says, a query, what of it counts.
pub(super) const ROWS: &[[&str; 4]] = &[
    // Nothing is said, or nothing that can be understood: all counts.
    ["9651 §3.2", "", "b=2&a=1", "?b=2&a=1"],
    ["9651 §3.2", "No-Vary-Search:", "b=2&a=1", "?b=2&a=1"],
    ["9651 §3.2", "No-Vary-Search: params=?0", "b=2&a=1", "?b=2&a=1"],
    ["9651 §3.2", "No-Vary-Search: key-order=?0", "b=2&a=1", "?b=2&a=1"],
    ["9651 §4.2", "No-Vary-Search: params=(\"a\"", "b=2&a=1", "?b=2&a=1"],
    ["9651 §4.2", "No-Vary-Search: params=(a)", "b=2&a=1", "?b=2&a=1"],
    ["9651 §4.2", "No-Vary-Search: params=(\"a\" 1)", "b=2&a=1", "?b=2&a=1"],
    ["9651 §4.2", "No-Vary-Search: params=\"a\"", "b=2&a=1", "?b=2&a=1"],
    [
        "9651 §4.2",
        "No-Vary-Search: key-order=1, params",
        "b=2&a=1",
        "?b=2&a=1",
    ],
    ["9651 §4.2", "No-Vary-Search: except=(\"a\")", "b=2&a=1", "?b=2&a=1"],
    [
        "9651 §4.2",
        "No-Vary-Search: params=(\"b\"), except=(\"a\")",
        "b=2&a=1",
        "?b=2&a=1",
    ],
    [
        "9651 §4.2",
        "No-Vary-Search: params=?0, except=(\"a\")",
        "b=2&a=1",
        "?b=2&a=1",
    ],
    [
        "9651 §4.2",
        "No-Vary-Search: params, except=\"a\"",
        "b=2&a=1",
        "?b=2&a=1",
    ],
    // What does not count.
    ["9651 §3.2", "No-Vary-Search: params", "b=2&a=1", ""],
    [
        "9651 §3.2",
        "No-Vary-Search: params, except=(\"a\")",
        "b=2&a=1&c=3",
        "?a=1",
    ],
    [
        "9651 §3.2",
        "No-Vary-Search: params=(\"utm\" \"b\")",
        "b=2&a=1&utm=x&a=0",
        "?a=1&a=0",
    ],
    [
        "9651 §3.2",
        "No-Vary-Search: params=(\"b\"), key-order",
        "z=2&b=1&a=2&a=1",
        "?a=2&a=1&z=2",
    ],
    ["9651 §3.2", "No-Vary-Search: key-order", "b=2&a=1&b=1", "?a=1&b=2&b=1"],
    [
        "9651 §3.2",
        "No-Vary-Search: future=1, params=(\"b\")",
        "b=2&a=1",
        "?a=1",
    ],
    // Names are what they read decoded, values what is written.
    [
        "3986 §2.1",
        "No-Vary-Search: params=(\"utm_source\")",
        "utm%5Fsource=1&a=%31",
        "?a=%31",
    ],
    ["3986 §2.1", "No-Vary-Search: params=(\"a+b\")", "a%20b=1&a+b=2&c", "?c"],
    ["3986 §2.1", "No-Vary-Search: params=(\"a%20b\")", "a+b=2&c", "?c"],
    ["3986 §2.1", "No-Vary-Search: params=(\"A\")", "a=1", "?a=1"],
    ["3986 §2.1", "No-Vary-Search: params=(\"a\")", "&&a=1&&b=&c", "?b=&c"],
    // Nothing hides behind a parameter that does not count.
    [
        "9111 §7.1",
        "No-Vary-Search: params=(\"utm\")",
        "utm=1;page=2",
        "?utm=1;page=2",
    ],
    [
        "9111 §7.1",
        "No-Vary-Search: params, except=(\"page\")",
        "x=1;page=2",
        "?x=1;page=2",
    ],
];

#[test]
fn a_response_says_what_of_its_query_counts() {
    check(ROWS, |[_, said, query, _]| {
        let mut out = String::new();
        match no_vary_search(&fields(said)) {
            Some(rule) => rule.push_query(query, &mut out),
            None => out.push_str(&format!("?{query}")),
        }
        out
    });
    let many: Vec<String> = (0..65).map(|number| format!("\"{number}\"")).collect();
    assert_eq!(
        no_vary_search(&fields(&format!("No-Vary-Search: params=({})", many.join(" ")))),
        None
    );
}

#[test]
fn two_rules_have_one_text_only_if_they_say_the_same() {
    let text = |said: &str| {
        no_vary_search(&fields(&format!("No-Vary-Search: {said}")))
            .unwrap()
            .text()
    };
    assert_eq!(text("params=(\"b\" \"a\" \"a\")"), text("params=(\"a\" \"b\"), x=1"));
    let different = [
        "params",
        "key-order",
        "params=(\"a\")",
        "params, except=(\"a\")",
        "params=(\"a b\")",
        "params=(\"a\\\" \\\"b\")",
        "params=(\"a\" \"b\")",
    ];
    let texts: std::collections::BTreeSet<String> = different.iter().map(|said| text(said)).collect();
    assert_eq!(texts.len(), different.len());
}
