//! Where the pages to warm come from: a list, or a sitemap (sitemaps.org protocol) with the sitemaps it names. Everything is
//! bounded: the size of a file, the number of pages, the number of sitemaps and how deep they name each other.

use crate::Failure;
use crate::client;
use crate::config::Environment;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use std::collections::{HashSet, VecDeque};
use std::io::Read;

/// The largest list or sitemap; the protocol allows 50 MB.
const FILE_SIZE_MAX: usize = 50 << 20;
/// The most pages.
const PAGES_MAX: usize = 1_000_000;
/// The most sitemaps.
const SITEMAPS_MAX: usize = 1000;
/// The longest URL; the protocol allows 2,048 characters.
const URL_LENGTH_MAX: usize = 4096;

/// What a file lists.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    pages: Vec<String>,
    sitemaps: Vec<String>,
}

/// Every page that `source` lists, once each, in its order.
pub(super) async fn pages(source: &str, environment: &Environment) -> Result<Vec<String>, Failure> {
    let mut waiting = VecDeque::from([source.to_owned()]);
    let mut read = HashSet::new();
    let mut seen = HashSet::new();
    let mut pages = Vec::new();
    while let Some(place) = waiting.pop_front() {
        if !read.insert(place.clone()) {
            continue;
        }
        if read.len() > SITEMAPS_MAX {
            return Err(Failure::Failed(format!(
                "{source} names more than {SITEMAPS_MAX} sitemaps"
            )));
        }
        let listed =
            listed(&text(&place, environment).await?).map_err(|what| Failure::Failed(format!("{place}: {what}")))?;
        pages.extend(listed.pages.into_iter().filter(|page| seen.insert(page.clone())));
        if pages.len() > PAGES_MAX {
            return Err(Failure::Failed(format!("{source} lists more than {PAGES_MAX} pages")));
        }
        waiting.extend(listed.sitemaps);
    }
    if pages.is_empty() {
        return Err(Failure::Failed(format!("{source} lists no page")));
    }
    Ok(pages)
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

async fn text(place: &str, environment: &Environment) -> Result<String, Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::Failed(format!("{place}: {what}"));
    let bytes = if is_url(place) {
        client::fetch(place, FILE_SIZE_MAX, environment).await?
    } else {
        let reader: Box<dyn Read> = match place {
            "-" => Box::new(std::io::stdin()),
            path => Box::new(std::fs::File::open(path).map_err(|error| failed(&error))?),
        };
        let mut bytes = Vec::new();
        reader
            .take(FILE_SIZE_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(&error))?;
        bytes
    };
    if bytes.len() > FILE_SIZE_MAX {
        return Err(failed(&"is larger than 50 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| failed(&"is not text in UTF-8; a compressed sitemap has to be unpacked first"))
}

/// What `text` lists: XML is a sitemap, anything else a list with a page on each line.
fn listed(text: &str) -> Result<Listed, String> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        sitemap(text)
    } else {
        list(text)
    }
}

fn list(text: &str) -> Result<Listed, String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut pages = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        if !(is_url(line) || line.starts_with('/')) || line.len() > URL_LENGTH_MAX || line.contains(char::is_whitespace)
        {
            let shown: String = line.chars().take(80).collect();
            return Err(format!(
                "line {number}: `{shown}` is neither a URL nor a path that begins with /"
            ));
        }
        pages.push(line.to_owned());
    }
    Ok(Listed {
        pages,
        sitemaps: Vec::new(),
    })
}

/// The text of every `loc`: of a page inside `url`, of another sitemap inside `sitemap`.
fn sitemap(text: &str) -> Result<Listed, String> {
    let mut reader = Reader::from_str(text);
    let mut listed = Listed::default();
    let mut inside: Vec<String> = Vec::new();
    let mut address = String::new();
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("is no sitemap: {error} at byte {}", reader.error_position()))?;
        match event {
            Event::Start(tag) => {
                inside.push(tag.local_name().as_ref().to_owned());
                address.clear();
            }
            Event::Text(piece) => address.push_str(&piece),
            Event::CData(piece) => address.push_str(&piece),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(character)) => address.push(character),
                _ => address.push_str(resolve_predefined_entity(&name).unwrap_or_default()),
            },
            Event::End(_) => {
                let found = std::mem::take(&mut address);
                let found = found.trim();
                // What comes from the network must not name files of this machine.
                let is_usable = is_url(found) && found.len() <= URL_LENGTH_MAX;
                match inside.as_slice() {
                    [.., parent, tag] if tag == "loc" && is_usable && parent == "url" => {
                        listed.pages.push(found.to_owned())
                    }
                    [.., parent, tag] if tag == "loc" && is_usable && parent == "sitemap" => {
                        listed.sitemaps.push(found.to_owned());
                    }
                    _ => {}
                }
                inside.pop();
            }
            Event::Eof => return Ok(listed),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(list: &[&str]) -> Vec<String> {
        list.iter().map(|page| (*page).to_owned()).collect()
    }

    #[test]
    fn lists_have_a_page_on_each_line() {
        let listed = listed("# the shop\n/products\n\n  http://h/cart?a=1&b=2 \r\n").unwrap();
        assert_eq!(listed.pages, pages(&["/products", "http://h/cart?a=1&b=2"]));
        assert!(
            super::listed("/a\nproducts\n")
                .unwrap_err()
                .contains("line 2: `products`")
        );
        assert!(super::listed("/a b\n").is_err());
    }

    #[test]
    fn sitemaps_name_pages_and_sitemaps() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
            xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\"><url><loc> https://h/a?x=1&amp;y=&#50; </loc>\
            <lastmod>2026-01-01</lastmod><image:image><image:loc>https://h/i.png</image:loc></image:image></url>\
            <url><loc><![CDATA[https://h/b]]></loc></url><url><loc>file:///etc/passwd</loc></url></urlset>";
        assert_eq!(
            listed(text).unwrap().pages,
            pages(&["https://h/a?x=1&y=2", "https://h/b"])
        );
        let index = listed("<sitemapindex><sitemap><loc>/etc/passwd</loc></sitemap><sitemap><loc>http://h/one.xml</loc></sitemap></sitemapindex>").unwrap();
        assert_eq!(
            index,
            Listed {
                pages: Vec::new(),
                sitemaps: pages(&["http://h/one.xml"])
            }
        );
        assert!(
            listed("<urlset><url></urlset>")
                .unwrap_err()
                .starts_with("is no sitemap")
        );
    }
}
