//! The table of parameters. Each crate owns its rows; the program joins them, fills in the defaults, checks every value
//! against its row, and generates the reference, the JSON Schema and `peregrine config explain` from them. A default or a
//! bound therefore stands in exactly one place.

/// One parameter of the configuration file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Where it stands, dotted. `[]` marks an element of an array of tables, `*` a name that the user chooses:
    /// `cache.memory`, `listener[].address`, `strategy.*.ttl`, `route[].match.path`.
    pub name: &'static str,
    /// What values are possible.
    pub kind: Kind,
    /// What holds when it is not set.
    pub fallback: Fallback,
    /// Whether a reload applies it; otherwise a restart does.
    pub reload: bool,
    /// One sentence for a person who decides about it.
    pub about: &'static str,
}

/// The type of a parameter with its bounds, both included. Bounds of sizes and durations are written as their texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer {
        /// The smallest allowed.
        min: i64,
        /// The largest allowed.
        max: i64,
    },
    /// A number with a fraction.
    Number {
        /// The smallest allowed.
        min: f64,
        /// The largest allowed.
        max: f64,
    },
    /// A [`crate::Span`], such as "5m".
    Duration {
        /// The shortest allowed.
        min: &'static str,
        /// The longest allowed.
        max: &'static str,
    },
    /// A [`crate::ByteSize`], such as "256MiB".
    Size {
        /// The smallest allowed.
        min: &'static str,
        /// The largest allowed.
        max: &'static str,
    },
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of texts, or of tables with these fields. A text stands for a table in which only the first field is set.
    TextsOrTables(&'static [Parameter]),
    /// A list of some of these words.
    Choices(&'static [&'static str]),
    /// A list of whole numbers.
    Integers {
        /// The smallest allowed.
        min: i64,
        /// The largest allowed.
        max: i64,
    },
    /// A table from names that the user chooses to texts, such as header edits.
    TextMap,
}

/// What holds when a parameter is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It must be set.
    Required,
    /// Nothing: the typed configuration holds an `Option`.
    Absent,
    /// This value, written as in TOML: `"5m"`, `true`, `["GET", "HEAD"]`, `{}`.
    Toml(&'static str),
}

/// A rule between several fields that a configuration breaks. Rules about one field are the bounds of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The field where a person would mend it, dotted as in the file, seen from the value that complains: `tls.key` from a
    /// listener, `namespace.images.memory_max` from the settings of the cache.
    pub field: String,
    /// What is wrong, as the end of a sentence that begins with the field: "is larger than cache.memory (64MiB)".
    pub problem: String,
    /// What to do about it.
    pub help: String,
}

impl Complaint {
    /// A complaint about `field`.
    #[must_use]
    pub fn new(field: impl Into<String>, problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            help: help.into(),
        }
    }
}
