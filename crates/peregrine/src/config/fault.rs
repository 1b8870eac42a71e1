//! What is wrong with a configuration, each fault with its place, all of them at once.

use super::node::Source;
use super::text::SourceText;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where to mend it.
    pub(crate) source: Source,
    /// The field, dotted with indexes; empty where the fault is not about one.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do, if there is more to say than the problem does.
    pub help: Option<String>,
    /// Whether the line may be shown; not where it may hold a secret.
    pub(crate) quote: bool,
}

impl Fault {
    /// A fault of the value that `source` set.
    pub(crate) fn new(source: &Source, field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            source: source.clone(),
            field: field.into(),
            problem: problem.into(),
            help: None,
            quote: true,
        }
    }

    /// The same fault with advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into()).filter(|help| !help.is_empty());
        self
    }

    /// The same fault with the nearest valid name as advice, if one is near.
    pub(crate) fn nearest(self, nearest: Option<&str>) -> Self {
        match nearest {
            Some(name) => self.help(format!("did you mean \"{name}\"?")),
            None => self,
        }
    }

    /// The same fault without the line it stands on.
    pub(crate) fn unquoted(mut self) -> Self {
        self.quote = false;
        self
    }
}

/// At most this many faults are printed; a file that is no configuration at all would have one in every line.
const PRINTED_MAX: usize = 40;

/// Why there is no configuration: every fault that was found, in the order of the file.
#[derive(Clone, Debug)]
pub struct Faults {
    text: SourceText,
    faults: Vec<Fault>,
}

impl Faults {
    /// The faults of the configuration whose file is `text`.
    pub(crate) fn new(text: SourceText, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| match &fault.source {
            Source::File(range) => range.start,
            Source::Environment(_) | Source::CommandLine(_) | Source::Default => usize::MAX,
        });
        Self { text, faults }
    }

    /// One fault that has no place in a file, such as a file that cannot be read.
    pub(crate) fn single(name: &str, problem: impl Into<String>, help: impl Into<String>) -> Self {
        let fault = Fault::new(&Source::Default, "", problem).help(help).unquoted();
        Self {
            text: SourceText::new(name, String::new()),
            faults: vec![fault],
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Fault] {
        &self.faults
    }

    /// Where `fault` is, as a person writes it: `peregrine.toml:12:3` or `environment CACHE_ENABLED`.
    pub fn place(&self, fault: &Fault) -> String {
        self.text.place(&fault.source)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().take(PRINTED_MAX).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: ", self.place(fault))?;
            if !fault.field.is_empty() {
                write!(f, "{}: ", fault.field)?;
            }
            f.write_str(&fault.problem)?;
            if let Some(help) = &fault.help {
                write!(f, "; {help}")?;
            }
            if let (Source::File(range), true) = (&fault.source, fault.quote) {
                f.write_str(&self.text.quote(range))?;
            }
        }
        match self.faults.len().saturating_sub(PRINTED_MAX) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Faults {}
