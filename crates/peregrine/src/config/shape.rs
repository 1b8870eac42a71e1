//! The parameter table as a tree: which fields a table may have, in the order in which their owners list them.

use peregrine_base::{Fallback, Parameter};

/// What may stand at one place of the configuration.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// One value.
    Value(&'static Parameter),
    /// A table with these fields.
    Table(Vec<(&'static str, Shape)>),
    /// An array of tables, `[[route]]`.
    Array(Box<Shape>),
    /// A table whose names the user chooses, `[strategy.NAME]`.
    Named(Box<Shape>),
}

impl Shape {
    /// The tree of `rows`.
    ///
    /// # Panics
    /// When two rows contradict each other: one says that a name is a value, another that it is a table.
    pub(crate) fn of(rows: impl IntoIterator<Item = &'static [Parameter]>) -> Self {
        let mut root = Self::Table(Vec::new());
        for row in rows.into_iter().flatten() {
            root.insert(row.name, row);
        }
        root
    }

    fn insert(&mut self, rest: &'static str, row: &'static Parameter) {
        let (step, rest) = rest
            .split_once('.')
            .map_or((rest, None), |(step, rest)| (step, Some(rest)));
        let (name, array) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        let Self::Table(fields) = self else {
            panic!("{} stands under a value", row.name)
        };
        let Some(rest) = rest else {
            assert!(!array, "{}: a list of texts is written without []", row.name);
            fields.push((name, Self::Value(row)));
            return;
        };
        let named = rest.strip_prefix("*.");
        let position = fields.iter().position(|(field, _)| *field == name).unwrap_or_else(|| {
            let table = Box::new(Self::Table(Vec::new()));
            let shape = match (array, named) {
                (true, _) => Self::Array(table),
                (false, Some(_)) => Self::Named(table),
                (false, None) => *table,
            };
            fields.push((name, shape));
            fields.len() - 1
        });
        match &mut fields[position].1 {
            Self::Array(inside) | Self::Named(inside) => inside.insert(named.unwrap_or(rest), row),
            table => table.insert(rest, row),
        }
    }

    /// The fields of a table; none for anything else.
    pub(crate) fn fields(&self) -> &[(&'static str, Shape)] {
        match self {
            Self::Table(fields) => fields,
            _ => &[],
        }
    }

    /// The field `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&Shape> {
        self.fields()
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, shape)| shape)
    }

    /// Whether a table of this shape cannot be made of defaults alone. Such a table is present only when somebody wrote it.
    pub(crate) fn requires(&self) -> bool {
        match self {
            Self::Value(row) => row.fallback == Fallback::Required,
            Self::Table(fields) => fields.iter().any(|(_, shape)| shape.requires()),
            Self::Array(_) | Self::Named(_) => false,
        }
    }
}
