//! `peregrine`: see `peregrine --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    peregrine::cli::main()
}
