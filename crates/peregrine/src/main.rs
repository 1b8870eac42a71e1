//! `peregrine`: see `peregrine --help`.

fn main() {}
