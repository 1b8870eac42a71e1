//! Changing fields of a configuration file as a person would: the rest of it, comments and blanks included, stays as it was
//! written.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// The most lines of a file whose differences are told line by line.
const DIFF_LINES_MAX: usize = 4000;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Element(usize),
}

/// `text` with `changes`: from paths (`cache.memory`, `listener[0].address`, `tenant."a.b".memory_max`) to values; `null` takes
/// a field out.
///
/// # Errors
/// Which paths lead nowhere, each with what is wrong.
pub(crate) fn edited(text: &str, changes: &BTreeMap<String, Json>) -> Result<String, Vec<(String, String)>> {
    let mut faults = Vec::new();
    let mut document: DocumentMut = match text.parse() {
        Ok(document) => document,
        Err(error) => return Err(vec![(String::new(), error.to_string())]),
    };
    for (path, value) in changes {
        let changed = steps(path).and_then(|steps| {
            let value = match value {
                Json::Null => None,
                value => Some(toml(value)?),
            };
            set(document.as_table_mut(), &steps, value)
        });
        if let Err(problem) = changed {
            faults.push((path.clone(), problem));
        }
    }
    if faults.is_empty() {
        Ok(document.to_string())
    } else {
        Err(faults)
    }
}

fn steps(path: &str) -> Result<Vec<Step>, String> {
    let malformed = || "is no path of a field, such as cache.memory or listener[0].address".to_owned();
    let (mut steps, mut rest) = (Vec::new(), path);
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(malformed)?,
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        if name.is_empty() {
            return Err(malformed());
        }
        steps.push(Step::Field(name.to_owned()));
        rest = after;
        while let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']').ok_or_else(malformed)?;
            steps.push(Step::Element(index.parse().map_err(|_| malformed())?));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Ok(steps),
            None => return Err(malformed()),
        }
    }
}

fn set(table: &mut dyn TableLike, steps: &[Step], value: Option<Value>) -> Result<(), String> {
    let missing = |index: usize| format!("there is no element {index}: the file has to have it first");
    let Some((Step::Field(name), rest)) = steps.split_first() else {
        return Err("begins with no field".to_owned());
    };
    match rest {
        [] => put(table, name, value),
        [Step::Element(index)] => {
            let elements = table.get_mut(name).and_then(Item::as_array_mut);
            let elements = elements.ok_or_else(|| missing(*index))?;
            match (value, elements.get_mut(*index)) {
                (_, None) => return Err(missing(*index)),
                (Some(value), Some(element)) => replace(element, value),
                (None, Some(_)) => drop(elements.remove(*index)),
            }
        }
        [Step::Element(index), inside @ ..] => match table.get_mut(name) {
            Some(Item::ArrayOfTables(tables)) => {
                set(tables.get_mut(*index).ok_or_else(|| missing(*index))?, inside, value)?;
            }
            Some(Item::Value(Value::Array(elements))) => {
                let table = elements.get_mut(*index).and_then(Value::as_inline_table_mut);
                set(table.ok_or_else(|| missing(*index))?, inside, value)?;
            }
            _ => return Err(missing(*index)),
        },
        inside => {
            if table.get(name).is_none() {
                if value.is_none() {
                    return Ok(());
                }
                let mut new = Table::new();
                new.set_implicit(true);
                table.insert(name, Item::Table(new));
            }
            let inner = table.get_mut(name).and_then(Item::as_table_like_mut);
            set(inner.ok_or("leads through a field that is no table")?, inside, value)?;
        }
    }
    Ok(())
}

fn put(table: &mut dyn TableLike, name: &str, value: Option<Value>) {
    match (table.get_mut(name), value) {
        (Some(Item::Value(old)), Some(value)) => replace(old, value),
        (_, Some(value)) => drop(table.insert(name, Item::Value(value))),
        (_, None) => drop(table.remove(name)),
    }
}

/// Puts `value` where `old` was, with the blanks and the comment around it.
fn replace(old: &mut Value, mut value: Value) {
    *value.decor_mut() = old.decor().clone();
    *old = value;
}

fn toml(value: &Json) -> Result<Value, String> {
    Ok(match value {
        Json::Null => return Err("has a null within: leave it out".to_owned()),
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(fraction)) => fraction.into(),
            (None, None) => return Err("is a number that is too large".to_owned()),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(elements) => Value::Array(elements.iter().map(toml).collect::<Result<Array, _>>()?),
        Json::Object(fields) => {
            let mut table = InlineTable::new();
            for (name, value) in fields {
                table.insert(name, toml(value)?);
            }
            Value::InlineTable(table)
        }
    })
}

/// The lines in which two texts differ, as `-` and `+`, each run under the line where it begins.
pub(crate) fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(one, other)| one == other).count();
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut text = String::new();
    let mut say = |line: usize, gone: &[&str], come: &[&str]| {
        if gone.is_empty() && come.is_empty() {
            return;
        }
        text.push_str(&format!("@@ line {line} @@\n"));
        gone.iter().for_each(|line| text.push_str(&format!("-{line}\n")));
        come.iter().for_each(|line| text.push_str(&format!("+{line}\n")));
    };
    if old.len().max(new.len()) > DIFF_LINES_MAX {
        say(head + 1, old, new);
        return text;
    }
    // The longest common subsequence: shared[i][j] is its length for what begins at i and j.
    let width = new.len() + 1;
    let mut shared = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            shared[i * width + j] = if old[i] == new[j] {
                shared[(i + 1) * width + j + 1] + 1
            } else {
                shared[(i + 1) * width + j].max(shared[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut from_old, mut from_new) = (0, 0);
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            say(head + from_old + 1, &old[from_old..i], &new[from_new..j]);
            (i, j) = (i + 1, j + 1);
            (from_old, from_new) = (i, j);
        } else if shared[(i + 1) * width + j] >= shared[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    say(head + from_old + 1, &old[from_old..], &new[from_new..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = "# ours\n[cache]\nmemory = \"1GiB\"   # half of it\n\n[[listener]]\naddress = \"127.0.0.1:80\"\n\n[strategy.api]\nttl = \"5m\"\n";

    fn change(changes: Json) -> Result<String, Vec<(String, String)>> {
        let changes: BTreeMap<String, Json> = serde_json::from_value(changes).unwrap();
        edited(FILE, &changes)
    }

    #[test]
    fn a_field_changes_and_all_else_stays_as_it_was_written() {
        let text = change(json!({ "cache.memory": "2GiB" })).unwrap();
        assert_eq!(text, FILE.replace("1GiB", "2GiB"), "with its comment");
        let text = change(json!({ "listener[0].address": "0.0.0.0:80", "strategy.api.ttl": null })).unwrap();
        assert_eq!(
            text,
            FILE.replace("127.0.0.1:80", "0.0.0.0:80").replace("ttl = \"5m\"\n", "")
        );
        let text =
            change(json!({ "strategy.pages.ttl": "1h", "log.level": "debug", "cache.x": [1, 2.5, true] })).unwrap();
        for line in [
            "[strategy.pages]\nttl = \"1h\"\n",
            "[log]\nlevel = \"debug\"\n",
            "x = [1, 2.5, true]\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("[strategy]\n"));
        let text = change(json!({ "tenant.\"a.b\".hosts": ["x"], "none.at.all": null })).unwrap();
        assert!(
            text.contains("[tenant.\"a.b\"]\nhosts = [\"x\"]\n") && !text.contains("none"),
            "{text}"
        );
        assert_eq!(change(json!({})).unwrap(), FILE);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_named() {
        let faults = change(json!({
            "listener[7].address": "x", "cache.memory.more": 1, "": 1, "a..b": 1, "a[x]": 1, "cache.memory": { "a": null },
        }));
        let faults = faults.unwrap_err();
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(
            faults
                .iter()
                .any(|(path, problem)| path == "listener[7].address" && problem.contains("no element 7"))
        );
    }

    #[test]
    fn the_difference_is_told_by_lines() {
        assert_eq!(difference("a\nb\nc\n", "a\nb\nc\n"), "");
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "@@ line 2 @@\n-b\n+x\n");
        assert_eq!(
            difference("a\nb\nc\nd\n", "a\nc\nd\ne\n"),
            "@@ line 2 @@\n-b\n@@ line 5 @@\n+e\n"
        );
        assert_eq!(difference("", "a\n"), "@@ line 1 @@\n+a\n");
    }
}
