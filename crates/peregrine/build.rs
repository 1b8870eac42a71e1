//! Has the linker put the functions that run in every program side by side, in the order of `layout.ld` (ADR 0015): the system
//! maps a program's file in pieces of 64 KiB around whatever runs, so what lies scattered occupies several times its size.

use std::env;
use std::path::PathBuf;

const LAYOUT: &str = "layout.ld";
/// Set to `off` for a linker that takes no script beside its own.
const VARIABLE: &str = "PEREGRINE_LAYOUT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={LAYOUT}");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let is = |variable: &str, wanted: &str| env::var(variable).is_ok_and(|value| value == wanted);
    // Where it was tried: the names in it are of this target.
    let is_its_target = is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is("PROFILE", "release") && is_its_target && !is(VARIABLE, "off") {
        let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
        println!(
            "cargo::rustc-link-arg-bin=peregrine=-Wl,-T,{}",
            here.join(LAYOUT).display()
        );
    }
}
