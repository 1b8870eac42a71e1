//! The house rules that no compiler checks. Each check is a function from the tree to faults; a rule that matters is
//! here, because a rule that is only written down decays.

mod dependencies;
mod docs;
mod floors;
mod image;
mod manifest;
mod source;
mod words;

use crate::fault::Fault;
use crate::tree::Tree;

/// Every fault in the tree, by file and line.
pub(crate) fn faults(tree: &Tree) -> Vec<Fault> {
    let checks: [fn(&Tree) -> Vec<Fault>; 6] = [
        floors::check,
        dependencies::check,
        source::check,
        words::check,
        docs::check,
        image::check,
    ];
    let mut faults: Vec<Fault> = checks.iter().flat_map(|check| check(tree)).collect();
    faults.sort();
    faults
}
