//! `peregrine config default`: a complete `peregrine.toml`. What must be set is set to an example; everything else stands
//! in a comment with its default, so that a default which changes in a later version applies.

use super::{sample, type_in_words, wrapped};
use crate::config::shape::Shape;
use peregrine_base::{Fallback, Parameter};
use std::fmt::Write;

const HEAD: &str = "\
# Peregrine's configuration. A line that begins with `# ` and a name shows a default: take the mark off to change it.
#
#   peregrine check peregrine.toml      finds every mistake
#   peregrine config explain cache      says what a setting does, what holds and what set it
#   peregrine config schema             is the JSON Schema of this file, for editors
#
# \"${NAME}\" in a text reads the environment; PEREGRINE__CACHE__MEMORY=1GiB sets any field from outside.
# SIGHUP reloads the file without dropping a request; what needs a restart says so.
";

/// How wide comments are.
const WIDTH: usize = 110;

/// Sections that are there only when somebody wants one, and that have no example which could hold as it is.
const OPTIONAL: [&str; 3] = ["alert", "slo", "notify"];

/// The complete file with every row of `table` in it.
#[must_use]
pub fn default_file(table: &[&'static [Parameter]]) -> String {
    let mut file = HEAD.to_owned();
    let shape = Shape::of(table.iter().copied());
    for (name, section) in shape.fields() {
        let (title, inside) = match section {
            Shape::Array(inside) => (format!("[[{name}]]"), &**inside),
            Shape::Named(inside) => (format!("[{name}.default]"), &**inside),
            other => (format!("[{name}]"), other),
        };
        let is_active = !OPTIONAL.contains(name);
        let mark = if is_active { "" } else { "# " };
        let _ = write!(file, "\n{mark}{title}\n");
        fields(&mut file, inside, "", is_active);
    }
    file
}

/// Writes the fields of a table; nested tables by dotted names. `active`: whether required fields stand outside comments.
fn fields(file: &mut String, shape: &Shape, prefix: &str, active: bool) {
    for (name, inside) in shape.fields() {
        match inside {
            Shape::Value(row) => field(file, row, &format!("{prefix}{name}"), active),
            other => fields(file, other, &format!("{prefix}{name}."), active && !other.requires()),
        }
    }
}

fn field(file: &mut String, row: &Parameter, name: &str, active: bool) {
    let restart = if row.reload { "" } else { " A change needs a restart." };
    let default = match row.fallback {
        Fallback::Toml(_) => "",
        Fallback::Required => " It must be set.",
        Fallback::Absent => " It is not set by default.",
    };
    let about = format!("{} ({}){default}{restart}", row.about, type_in_words(row.kind));
    for line in wrapped(&about, WIDTH) {
        let _ = writeln!(file, "#: {line}");
    }
    let mark = if active && row.fallback == Fallback::Required {
        ""
    } else {
        "# "
    };
    let _ = writeln!(file, "{mark}{name} = {}", sample(row));
}
