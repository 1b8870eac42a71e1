//! The commands that ask a running Peregrine, against a server that answers as its admin API does.

use super::run::{Place, Said, assert_says, run};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What was asked.
struct Asked {
    line: String,
    headers: String,
    body: Value,
}

/// A server that gives these answers (a text as it is, anything else as JSON), one to each request, and ends.
fn server(answers: Vec<(u16, Value)>) -> (SocketAddr, JoinHandle<Vec<Asked>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap(), serve(listener, answers))
}

fn serve(listener: TcpListener, answers: Vec<(u16, Value)>) -> JoinHandle<Vec<Asked>> {
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        let mut asked = Vec::new();
        while answers.len() > 0 {
            let (stream, _) = listener.accept().unwrap();
            converse(stream, &mut answers, &mut asked);
        }
        asked
    })
}

fn converse(stream: TcpStream, answers: &mut impl Iterator<Item = (u16, Value)>, asked: &mut Vec<Asked>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
            reader.read_line(&mut headers).unwrap();
        }
        let headers = headers.to_lowercase();
        let length = headers
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        asked.push(Asked {
            line,
            headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        });
        let Some((status, answer)) = answers.next() else { return };
        let answer = answer.as_str().map_or_else(|| answer.to_string(), str::to_owned);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        reader.get_mut().write_all((head + &answer).as_bytes()).unwrap();
    }
}

/// Runs a command against a server that gives these answers.
fn ask(arguments: &[&str], answers: Vec<(u16, Value)>) -> (Said, Vec<Asked>) {
    let (address, serving) = server(answers);
    let admin = format!("http://{address}");
    let said = Place::new().run_with(
        &[arguments, &["--admin", &admin]].concat(),
        &[("PEREGRINE_ADMIN_TOKEN", TOKEN)],
    );
    (said, serving.join().unwrap())
}

#[test]
fn nobody_there_says_how_to_start_one() {
    for arguments in [&["stats"][..], &["explain", "/"], &["invalidate", "--all"]] {
        let said = run(&[arguments, &["--admin", "http://127.0.0.1:1"]].concat());
        assert_eq!((said.code, said.out.as_str()), (1, ""));
        assert_says(
            &said.err,
            &[
                "no Peregrine answers at http://127.0.0.1:1",
                "peregrine serve",
                "--admin",
            ],
        );
    }
}

#[test]
fn a_refused_token_says_where_the_right_one_is() {
    let problem = json!({ "title": "Unauthorized", "detail": "This is not the admin token of this Peregrine." });
    let (said, asked) = ask(&["stats"], vec![(401, problem.clone())]);
    assert_eq!(said.code, 1);
    assert_says(
        &said.err,
        &["token refused", "This is not the admin token", "--token-file"],
    );
    assert_says(&asked[0].headers, &[&format!("authorization: bearer {TOKEN}")]);
    assert!(!said.err.contains(TOKEN));

    let (address, serving) = server(vec![(401, problem)]);
    let said = run(&["stats", "--admin", &address.to_string()]);
    assert_says(
        &said.err,
        &["wants a token and none was found", "PEREGRINE_ADMIN_TOKEN"],
    );
    assert!(!serving.join().unwrap()[0].headers.contains("authorization"));
}

#[test]
fn the_token_and_the_address_come_from_the_configuration() {
    let (address, serving) = server(vec![(503, json!({ "detail": "It starts." }))]);
    let place = Place::with(&format!(
        "[server]\nstate_dir = \"state\"\n[admin]\naddress = \"{address}\"\n[[upstream]]\nname = \"a\"\n\
         targets = [\"http://127.0.0.1:1\"]\n[[route]]\nupstream = \"a\"\n"
    ));
    let token = place.write("state/admin.token", TOKEN);
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let said = place.run(&["stats"]);
    assert_says(
        &said.err,
        &["admin.token can be read or changed by others", "chmod 600"],
    );
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let said = place.run(&["stats"]);
    assert_says(&said.err, &["refused: It starts."]);
    assert_says(
        &serving.join().unwrap()[0].headers,
        &[&format!("authorization: bearer {TOKEN}")],
    );
}

#[test]
fn invalidate_sends_every_target_and_prints_the_receipt() {
    let receipt = json!({
        "id": "r-1", "matched": { "memory": 1234, "redis": null },
        "layers": [{ "layer": "memory", "confirmed": 1, "of": 1, "took_ms": 2 }],
    });
    let arguments = ["invalidate", "--tag", "a", "--tag", "b", "--prefix", "/p", "--soft"];
    let (said, asked) = ask(&arguments, vec![(200, receipt.clone())]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_says(
        &said.out,
        &[
            "1,234 entries in memory stale now",
            "receipt r-1",
            "memory: 1 of 1 confirmed",
        ],
    );
    assert_eq!(asked[0].line, "POST /api/performance/cache/invalidate HTTP/1.1\r\n");
    assert_eq!(
        asked[0].body,
        json!({ "tags": ["a", "b"], "keys": [], "prefixes": ["/p"], "patterns": [], "namespaces": [], "all": false,
                "soft": true, "dry_run": false, "tenant": null })
    );
    let (said, _) = ask(
        &["invalidate", "--all", "--dry-run", "--json"],
        vec![(200, receipt.clone())],
    );
    assert_eq!(
        serde_json::from_str::<Value>(&said.out).unwrap()["matched"],
        receipt["matched"]
    );
}

#[test]
fn an_invalidation_that_is_not_confirmed_everywhere_fails() {
    let receipt = json!({
        "id": "r-1", "matched": { "memory": 0, "redis": null },
        "layers": [{ "layer": "memory", "confirmed": 0, "of": 1, "took_ms": 2 }],
    });
    let (said, _) = ask(&["invalidate", "--all"], vec![(200, receipt)]);
    assert_eq!(said.code, 1);
    assert_says(&said.err, &["0 of 1 confirmed in memory"]);
}

#[test]
fn a_receipt_names_the_nodes_that_have_not_heard_and_says_when_redis_is_away() {
    let nodes = json!([
        { "node": "a-1", "state": "confirmed" }, { "node": "b-2", "state": "lapsed" }, { "node": "c-3", "state": "waiting" },
    ]);
    let layers = json!([
        { "layer": "memory", "confirmed": 1, "of": 1, "took_ms": 0 }, { "layer": "redis", "confirmed": 1, "of": 1, "took_ms": 1 },
        { "layer": "nodes", "confirmed": 2, "of": 3, "took_ms": 1000, "nodes": nodes },
    ]);
    let receipt = json!({ "id": "r-2", "matched": { "memory": 3, "redis": null }, "layers": layers });
    let (said, _) = ask(&["invalidate", "--all"], vec![(202, receipt)]);
    assert_eq!(said.code, 1);
    assert_says(&said.out, &["redis: 1 of 1 confirmed", "  b-2 lapsed\n  c-3 waiting\n"]);
    assert!(!said.out.contains("a-1"), "{}", said.out);
    assert_says(&said.err, &["2 of 3 confirmed in nodes"]);
    let layers = json!([{ "layer": "redis", "confirmed": 0, "of": 1, "took_ms": 1 }]);
    let receipt =
        json!({ "id": "r-3", "matched": { "memory": 3, "redis": null }, "layers": layers, "journaled": true });
    let (said, _) = ask(&["invalidate", "--all", "--json"], vec![(202, receipt.clone())]);
    assert_eq!(said.code, 1);
    let printed = serde_json::from_str::<Value>(&said.out).unwrap();
    assert_eq!((&printed["journaled"], &printed["id"]), (&json!(true), &receipt["id"]));
    assert_says(&said.err, &["Redis is away: this holds here at once"]);
}

#[test]
fn faults_of_a_request_are_all_told() {
    let problem = json!({
        "title": "Bad Request", "detail": "The request has 2 faults.",
        "errors": [{ "field": "tags[0]", "detail": "is empty" }, { "field": "keys[0]", "detail": "is too long" }],
    });
    let (said, _) = ask(&["invalidate", "--tag", ""], vec![(400, problem)]);
    assert_eq!(said.code, 2);
    assert_says(
        &said.err,
        &["The request has 2 faults.", "tags[0]: is empty", "keys[0]: is too long"],
    );
}

#[test]
fn explain_asks_for_the_url_as_it_is_written() {
    let explanation = json!({
        "url": "http://h/a?b=1&c=ü", "method": "HEAD", "route": "shop", "upstream": null, "strategy": null, "namespace": null,
        "key": null, "variant": null, "state": "bypass", "age_s": null, "ttl_s": null, "tags": [], "size": null, "hits": null,
        "stored_encoding": null, "steps": [], "last": null, "advice": "allow it",
    });
    let (said, asked) = ask(
        &["explain", "-X", "head", "-H", "Accept: x y", "http://h/a?b=1&c=ü"],
        vec![(200, explanation)],
    );
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_says(
        &said.out,
        &[
            "HEAD http://h/a?b=1&c=ü",
            "goes past the cache",
            "Route      shop",
            "Advice: allow it",
        ],
    );
    let query = "url=http%3A%2F%2Fh%2Fa%3Fb%3D1%26c%3D%C3%BC&method=HEAD&headers=%7B%22Accept%22%3A%22x%20y%22%7D";
    assert_eq!(
        asked[0].line,
        format!("GET /api/performance/explain?{query} HTTP/1.1\r\n")
    );
}

#[test]
fn warm_sends_the_list_in_portions_and_adds_up() {
    let report = |stored: u64, failed: u64| {
        let problems = if failed > 0 {
            json!([{ "url": "/9", "status": 500, "reason": "status" }])
        } else {
            json!([])
        };
        let report = json!({ "stored": stored, "fresh": 0, "not_stored": 0, "failed": failed, "took_ms": 5, "problems": problems });
        (200, report)
    };
    let place = Place::new();
    let list: String = (0..10).map(|number| format!("/{number}\n")).collect();
    let list = place.write("list.txt", &list);
    let arguments = ["warm", list.to_str().unwrap(), "--concurrency", "1"];
    let (said, asked) = ask(&arguments, vec![report(4, 0), report(4, 0), report(1, 1)]);
    assert_eq!(said.code, 1);
    assert_says(&said.out, &["stored", "9", "/9: status (500)"]);
    assert_says(&said.err, &["1 of 10 pages failed"]);
    let sizes: Vec<usize> = asked
        .iter()
        .map(|asked| asked.body["urls"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(asked[0].body["rate"], 50);
}

#[test]
fn warm_reads_a_list_from_the_standard_input_and_says_what_is_wrong_with_it() {
    let said = run(&["warm", "-", "--admin", "http://127.0.0.1:1"]);
    assert_eq!(said.code, 1);
    assert_says(&said.err, &["- lists no page"]);
    let place = Place::new();
    place.write("list.txt", "/a\nnonsense\n");
    let said = place.run(&["warm", "list.txt"]);
    assert_eq!(said.code, 1);
    assert_says(&said.err, &["list.txt: line 2: `nonsense` is neither a URL nor a path"]);
}

#[test]
fn warm_follows_a_sitemap_index() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = listener.local_addr().unwrap();
    let sitemap = |pages: &str| json!(format!("<?xml version=\"1.0\"?><urlset>{pages}</urlset>"));
    let page = |path: &str| format!("<url><loc>http://h/{path}</loc></url>");
    let index = format!(
        "<sitemapindex><sitemap><loc>http://{origin}/one.xml</loc></sitemap><sitemap><loc>http://{origin}/two.xml</loc></sitemap>\
         <sitemap><loc>http://{origin}/index.xml</loc></sitemap></sitemapindex>"
    );
    let one = sitemap(&(page("a") + &page("b")));
    let serving = serve(
        listener,
        vec![(200, json!(index)), (200, one), (200, sitemap(&page("b")))],
    );
    let report = json!({ "stored": 2, "fresh": 0, "not_stored": 0, "failed": 0, "took_ms": 5, "problems": [] });
    let (said, asked) = ask(&["warm", &format!("http://{origin}/index.xml")], vec![(200, report)]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(asked[0].body["urls"], json!(["http://h/a", "http://h/b"]));
    let lines: Vec<String> = serving.join().unwrap().into_iter().map(|asked| asked.line).collect();
    assert_eq!(
        lines,
        ["/index.xml", "/one.xml", "/two.xml"].map(|path| format!("GET {path} HTTP/1.1\r\n"))
    );
}

#[test]
fn apikeys_are_made_listed_and_revoked() {
    let key = json!({ "id": "0a1b", "name": "deploy", "role": "operator", "namespaces": ["shop"],
                      "created": "2026-01-02T03:04:05.000Z", "created_by": "admin token", "expires": null, "last_used": null });
    let mut made = key.clone();
    made["key"] = json!("pgk_0a1b_secret");
    let create = [
        "apikeys",
        "create",
        "deploy",
        "--role",
        "operator",
        "--namespace",
        "shop",
        "--expires",
        "1d",
    ];
    let (said, asked) = ask(&create, vec![(200, made)]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "pgk_0a1b_secret\n"),
        "only the key is printed, for scripts"
    );
    assert_says(&said.err, &["shown once"]);
    assert_eq!(
        asked[0].body,
        json!({ "name": "deploy", "role": "operator", "namespaces": ["shop"], "expires_in_s": 86_400 })
    );
    let (said, _) = ask(&["apikeys", "list"], vec![(200, json!({ "keys": [key] }))]);
    assert_says(
        &said.out,
        &["deploy", "0a1b", "operator", "shop", "admin token", "never"],
    );
    let (said, asked) = ask(&["apikeys", "revoke", "a b"], vec![(200, key)]);
    assert_says(&said.out, &["deploy (0a1b) lets nobody in any more"]);
    assert_eq!(
        asked[0].line,
        "DELETE /api/performance/access/apikeys?id=a%20b HTTP/1.1\r\n"
    );
    let problem = json!({ "type": "urn:peregrine:problem:role_too_low", "title": "Forbidden", "status": 403,
                          "detail": "This takes the role `admin`; yours is `viewer`." });
    let (said, _) = ask(&["apikeys", "list"], vec![(403, problem)]);
    assert_eq!(said.code, 1);
    assert_says(&said.err, &["This takes the role `admin`; yours is `viewer`."]);
    assert_eq!(run(&["apikeys", "create", "x"]).code, 2, "a role is needed");
}
