//! The configuration: read, checked as a whole, completed with defaults, and turned into the typed settings of each crate.
//!
//! Every parameter stands in one table, of which each crate owns its rows. [`resolve`] merges the layers (defaults, file,
//! environment, command line, the later over the earlier) into one tree whose values remember where they were set, and
//! gathers every fault instead of stopping at the first. [`load`] goes on to the typed [`Settings`].
//! The reference, the JSON Schema, the default file and `config explain` are made from the same table by [`generate`].

mod check;
mod doubts;
pub(crate) mod edit;
mod effective;
mod environment;
mod fault;
pub mod generate;
mod names;
mod node;
mod parameters;
mod parse;
pub(crate) mod settable;
mod settings;
mod shape;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub use effective::{Change, Effective};
pub use environment::Environment;
pub use fault::{Fault, Faults};
pub use generate::Explanation;
pub use parameters::{PARAMETERS, TABLE};
pub use settings::{ServerSettings, Settings, TenantSettings};

use node::{Node, Source, Value};
use peregrine_base::{Complaint, Parameter};
use shape::Shape;
use std::path::PathBuf;
use text::SourceText;

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// A text that is not in a file, with the name that faults give it.
    Text {
        /// The name.
        name: String,
        /// The text.
        text: String,
    },
    /// No file: one upstream with this URL, one route to it.
    Upstream(String),
}

/// What the command line sets over everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`: the address of the first listener.
    pub listen: Option<String>,
    /// `--admin`: the address of the admin API.
    pub admin: Option<String>,
}

/// A configuration without faults.
#[derive(Clone, Debug)]
pub struct Resolved {
    root: Node,
    shape: Shape,
    text: SourceText,
    /// What is set and has no effect.
    pub warnings: Vec<String>,
}

/// A configuration without faults, typed.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the rooms take.
    pub settings: Settings,
    /// The same with the place that set each value.
    pub resolved: Resolved,
}

/// Reads and checks the configuration at `origin` against the table of every crate.
///
/// # Errors
/// With every fault that was found.
pub fn load(origin: &Origin, overrides: &Overrides, environment: &Environment) -> Result<Loaded, Faults> {
    let mut resolved = resolve(TABLE, origin, overrides, environment)?;
    let settings = settings::typed(&resolved.root).map_err(|faults| Faults::new(resolved.text.clone(), faults))?;
    let doubts = doubts::of(&settings, &resolved);
    resolved.warnings.extend(doubts);
    Ok(Loaded { settings, resolved })
}

/// Merges the layers, checks them against `table` and fills in the defaults.
///
/// # Errors
/// With every fault that was found.
pub fn resolve(
    table: &[&'static [Parameter]],
    origin: &Origin,
    overrides: &Overrides,
    environment: &Environment,
) -> Result<Resolved, Faults> {
    let shape = Shape::of(table.iter().copied());
    let mut faults = Vec::new();
    let text = match origin {
        Origin::File(path) => SourceText::read(path)?,
        Origin::Text { name, text } => SourceText::new(name, text.clone()),
        Origin::Upstream(_) => SourceText::new("command line", String::new()),
    };
    let mut root = match origin {
        Origin::Upstream(url) => of_upstream(url),
        Origin::File(_) | Origin::Text { .. } => parse::parse(&text, environment, &mut faults)?,
    };
    environment::apply(environment, &shape, &mut root, &mut faults);
    complete(&mut root, &shape);
    override_with(&mut root, overrides);
    check::check(&mut root, &shape, &mut faults);
    names::check(&root, &mut faults);
    if !faults.is_empty() {
        return Err(Faults::new(text, faults));
    }
    Ok(Resolved {
        root,
        shape,
        text,
        warnings: environment::warnings(environment),
    })
}

impl Resolved {
    /// The configuration file as it was read.
    #[must_use]
    pub fn written(&self) -> &str {
        self.text.as_str()
    }

    /// Every value that holds, with what set it.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        effective::values(&self.root, &self.shape, &self.text)
    }

    /// What a room complains about in this configuration, with the place of each complaint.
    #[must_use]
    pub fn refuse(&self, complaints: &[Complaint]) -> Faults {
        let fault = |complaint: &Complaint| settings::complaint(&self.root, &complaint.field, complaint);
        Faults::new(self.text.clone(), complaints.iter().map(fault).collect())
    }

    /// What differs in `new` from this.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        effective::changes(&self.root, &new.root, &self.shape)
    }
}

/// Where Peregrine listens when nothing says where: on this machine only.
const LISTENER_ADDRESS: &str = "127.0.0.1:8080";

/// The configuration of `serve --upstream URL`.
fn of_upstream(url: &str) -> Node {
    let source = Source::CommandLine("--upstream");
    let text = format!(
        "{{ upstream = [{{ name = \"origin\", targets = [{}] }}], route = [{{ upstream = \"origin\" }}] }}",
        toml::Value::String(url.to_owned())
    );
    parse::parse_value(&text, &source).expect("a quoted text is TOML wherever it stands")
}

/// What is there without being written: a listener, and a strategy and a namespace called `default`.
fn complete(root: &mut Node, shape: &Shape) {
    let Some(fields) = root.fields_mut() else { return };
    if shape.field("listener").is_some() {
        let address = Node::new(Value::Text(LISTENER_ADDRESS.to_owned()), Source::Default);
        let listener = Node::new(Value::Table([("address".to_owned(), address)].into()), Source::Default);
        let alone = || Node::new(Value::List(vec![listener]), Source::Default);
        fields.entry("listener".to_owned()).or_insert_with(alone);
    }
    for table in ["strategy", "namespace"] {
        if shape.field(table).is_some() {
            let named = fields.entry(table.to_owned()).or_insert_with(Node::empty_table);
            if let Some(named) = named.fields_mut() {
                named.entry("default".to_owned()).or_insert_with(Node::empty_table);
            }
        }
    }
}

fn override_with(root: &mut Node, overrides: &Overrides) {
    let text = |text: &str, option| Node::new(Value::Text(text.to_owned()), Source::CommandLine(option));
    let Some(fields) = root.fields_mut() else { return };
    if let Some(address) = &overrides.admin {
        let admin = fields.entry("admin".to_owned()).or_insert_with(Node::empty_table);
        if let Some(admin) = admin.fields_mut() {
            admin.insert("address".to_owned(), text(address, "--admin"));
        }
    }
    if let Some(address) = &overrides.listen {
        let listeners = fields.get_mut("listener").map(|node| &mut node.value);
        if let Some(Value::List(listeners)) = listeners
            && let Some(first) = listeners.first_mut().and_then(Node::fields_mut)
        {
            first.insert("address".to_owned(), text(address, "--listen"));
        }
    }
}
