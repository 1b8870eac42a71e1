//! Pages: every link between them leads somewhere, to the heading too, and the changelog has room for the next change.

use crate::fault::Fault;
use crate::tree::Tree;
use std::collections::BTreeSet;

const CHANGELOG: &str = "CHANGELOG.md";

/// Dead links, and a changelog without its first section.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults: Vec<Fault> = tree
        .ending(".md")
        .flat_map(|(path, text)| check_links(tree, path, text))
        .collect();
    if !tree
        .text(CHANGELOG)
        .is_some_and(|text| text.lines().any(|line| line.trim() == "## [Unreleased]"))
    {
        let right = "open it with `## [Unreleased]`, where every change that a user notices is told";
        faults.push(Fault::new(
            CHANGELOG,
            1,
            "there is no section for what comes next",
            right,
        ));
    }
    faults
}

fn check_links(tree: &Tree, path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (line, prose) in prose(text) {
        for target in targets(&prose) {
            if let Err(right) = resolve(tree, path, text, &target) {
                faults.push(Fault::new(
                    path,
                    line,
                    format!("the link to `{target}` leads nowhere"),
                    right,
                ));
            }
        }
    }
    faults
}

/// The lines with their numbers, without fenced blocks and without code in backticks.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((index + 1, line.split('`').step_by(2).collect::<Vec<_>>().join("`")));
        }
    }
    lines
}

/// What a line links to: `[text](target)`, `[name]: target`, `src="target"`, `href="target"`.
fn targets(line: &str) -> Vec<String> {
    let after = |opening: &str, closing: &[char]| -> Vec<String> {
        let ends = line.match_indices(opening).map(|(at, _)| &line[at + opening.len()..]);
        ends.filter_map(|rest| Some(rest[..rest.find(closing)?].to_owned()))
            .collect()
    };
    let mut targets = after("](", &[')', ' ']);
    targets.extend(after("src=\"", &['"']));
    targets.extend(after("href=\"", &['"']));
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        targets.extend(target.split_whitespace().next().map(str::to_owned));
    }
    targets
}

/// Whether the target is there; otherwise what would be right.
fn resolve(tree: &Tree, page: &str, text: &str, target: &str) -> Result<(), String> {
    let outside = ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| target.starts_with(scheme));
    if outside {
        return Ok(());
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let (path, text) = if file.is_empty() {
        (page.to_owned(), Some(text))
    } else {
        let path = join(page, file).ok_or("a path inside the checkout")?;
        let text = tree.text(&path);
        (path, text)
    };
    if !tree.has(&path) {
        return Err(format!("there is no `{path}`"));
    }
    let known = |text: &str| headings(text).contains(anchor);
    if anchor.is_empty() || !path.ends_with(".md") || text.is_some_and(known) {
        return Ok(());
    }
    Err(format!("`{path}` has no heading `#{anchor}`"))
}

/// A link's path from the root; `None` if it climbs out of it.
fn join(page: &str, link: &str) -> Option<String> {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = if link.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').collect()
    };
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.retain(|part| !part.is_empty());
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join("/"))
}

/// The anchors of a page's headings, made as the field's code hosts make them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().to_lowercase();
        let kept = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let repeated = (1..).map(|count| format!("{slug}-{count}"));
        if let Some(free) = std::iter::once(slug.clone())
            .chain(repeated)
            .find(|name| !anchors.contains(name))
        {
            anchors.insert(free);
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGES: (&str, &str) = (CHANGELOG, "# Changelog\n\n## [Unreleased]\n");

    fn faults_of(page: &str) -> Vec<String> {
        let other = (
            "docs/b.md",
            "# Invalidation by `tag`\n## Twice\n## Twice\n```\n# not a heading\n```\n",
        );
        let tree = Tree::of(&[
            CHANGES,
            ("docs/a.md", page),
            other,
            ("README.md", "# R\n"),
            ("docs/c.png", ""),
        ]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        for link in [
            "[b](b.md)",
            "[b](./b.md#invalidation-by-tag)",
            "[b](b.md#twice-1)",
            "[r](../README.md \"title\")",
            "[r](/README.md)",
            "[folder](../docs)",
            "[own](#own)",
            "![c](c.png) <img src=\"c.png\">",
            "[web](https://example.org/x#y)",
            "`[code](nowhere.md)`",
            "```\n[code](nowhere.md)\n```",
            "[named][n]\n\n[n]: b.md",
        ] {
            assert_eq!(faults_of(&format!("# Own\n{link}\n")), [""; 0], "{link}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_faults() {
        for link in [
            "[b](d.md)",
            "[b](b.md#not-a-heading)",
            "[b](b.md#twice-2)",
            "[r](README.md)",
            "[out](../../README.md)",
            "[own](#owns)",
            "<img src=\"d.png\">",
            "[n]: d.md",
        ] {
            let faults = faults_of(&format!("# Own\n\n{link}\n"));
            assert_eq!(faults.len(), 1, "{link}: {faults:?}");
            assert!(faults[0].starts_with("docs/a.md:3: the link to "), "{faults:?}");
        }
    }

    #[test]
    fn the_changelog_has_room_for_the_next_change() {
        assert!(check(&Tree::of(&[]))[0].to_string().starts_with("CHANGELOG.md:1: "));
        assert!(
            check(&Tree::of(&[(CHANGELOG, "## [0.1.0]\n")]))[0]
                .to_string()
                .starts_with("CHANGELOG.md:1: ")
        );
    }
}
