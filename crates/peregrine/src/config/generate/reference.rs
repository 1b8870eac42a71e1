//! `docs/reference/configuration.md`: every parameter on one page.

use super::{fallback_in_words, type_in_words};
use crate::config::environment;
use crate::config::shape::Shape;
use peregrine_base::Parameter;
use std::fmt::Write;

const HEAD: &str = "\
# Configuration

<!-- Written by `cargo xtask reference` from the parameter table in the code. Edit the table, not this page. -->

One file in TOML, usually `peregrine.toml`. `peregrine config default` writes a complete one, `peregrine check` finds every
mistake in one, `peregrine config schema` describes it to an editor, and `peregrine config explain NAME` tells of a single
parameter what is on this page, what holds, and what set it.

A value is taken from the first of these that sets it:

1. the command line (`--listen`, `--admin`),
2. the environment, `PEREGRINE__SECTION__FIELD`: `PEREGRINE__CACHE__MEMORY=1GiB`, `PEREGRINE__STRATEGY__API__TTL=5m` (a
   named table by its name), `PEREGRINE__LISTENER__0__ADDRESS=0.0.0.0:80` (an array by index, one past the end adds one),
   lists with commas between or as in TOML,
3. the environment variables with names of their own below,
4. the file, in which `\"${NAME}\"` reads the environment (`$${` is a literal `${`),
5. the default.

Durations are written `250ms`, `5s`, `1m30s`, `2h`, `7d`; sizes `512B`, `64KiB`, `1.5GiB`, `10MB`. Names that you choose (in
`[strategy.NAME]` and `[namespace.NAME]`, of upstreams) consist of letters, digits, `_` and `-`. A strategy and a namespace
called `default` always exist, and so does one listener. Unknown fields and impossible values are errors.

*Reload* says whether SIGHUP applies a change; the others need a restart.
";

/// The page with every row of `table`.
#[must_use]
pub fn reference(table: &[&'static [Parameter]]) -> String {
    let mut page = HEAD.to_owned();
    let shape = Shape::of(table.iter().copied());
    for (name, section) in shape.fields() {
        let title = match section {
            Shape::Array(_) => format!("[[{name}]]"),
            Shape::Named(_) => format!("[{name}.NAME]"),
            _ => format!("[{name}]"),
        };
        let _ = write!(
            page,
            "\n## `{title}`\n\n| field | type | default | reload | what it does |\n|---|---|---|---|---|\n"
        );
        rows(&mut page, section, "");
    }
    page.push_str("\n## Environment variables with names of their own\n\n| variable | what it does |\n|---|---|\n");
    for (name, about) in environment::named() {
        let _ = writeln!(page, "| `{name}` | {about} |");
    }
    page
}

fn rows(page: &mut String, shape: &Shape, prefix: &str) {
    match shape {
        Shape::Array(inside) | Shape::Named(inside) => rows(page, inside, prefix),
        Shape::Table(fields) => {
            for (name, inside) in fields {
                match inside {
                    Shape::Value(row) => {
                        let (kind, default) = (type_in_words(row.kind), fallback_in_words(row.fallback));
                        let default = match row.fallback {
                            peregrine_base::Fallback::Toml(_) => format!("`{default}`"),
                            _ => default.to_owned(),
                        };
                        let reload = if row.reload { "yes" } else { "no" };
                        let about = row.about.replace('|', "\\|");
                        let _ = writeln!(page, "| `{prefix}{name}` | {kind} | {default} | {reload} | {about} |");
                    }
                    Shape::Array(inside) => rows(page, inside, &format!("{prefix}{name}[].")),
                    Shape::Named(inside) => rows(page, inside, &format!("{prefix}{name}.NAME.")),
                    table => rows(page, table, &format!("{prefix}{name}.")),
                }
            }
        }
        Shape::Value(_) => {}
    }
}
