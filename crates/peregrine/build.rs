//! Has the linker put the functions that run in every program side by side, in the order of `layout.txt` (ADR 0015): the system
//! maps a program's file in pieces of 64 KiB around whatever runs, so what lies scattered occupies several times its size.

use std::env;
use std::path::PathBuf;

const LAYOUT: &str = "layout.txt";
/// Set to `off` for a linker that does not know such a file.
const VARIABLE: &str = "PEREGRINE_LAYOUT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={LAYOUT}");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let is = |variable: &str, wanted: &str| env::var(variable).is_ok_and(|value| value == wanted);
    // Where Rust brings LLD along and uses it.
    let is_linked_by_lld = is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    if !is("PROFILE", "release") || !is_linked_by_lld || is(VARIABLE, "off") {
        return;
    }
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!(
        "cargo::rustc-link-arg-bin=peregrine=-Wl,--symbol-ordering-file={}",
        here.join(LAYOUT).display()
    );
    // A function that is not there any more is no fault: the next layout leaves it out.
    println!("cargo::rustc-link-arg-bin=peregrine=-Wl,--no-warn-symbol-ordering");
}
