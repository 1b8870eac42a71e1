//! Has the linker put the functions that run in every program side by side, in the order of `layout.ld` (ADR 0015): the system
//! maps a program's file in pieces of 64 KiB around whatever runs, so what lies scattered occupies several times its size.
//!
//! And has it write the places that depend on where the program is loaded in the short form (DT_RELR), where the system's
//! loader reads that: otherwise they are 0.7 MB, all of which the start maps.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const LAYOUT: &str = "layout.ld";
/// Set to `off` for a linker that takes no script beside its own.
const VARIABLE: &str = "PEREGRINE_LAYOUT";
/// The first glibc whose loader reads DT_RELR.
const READS_RELR: (u32, u32) = (2, 36);

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
        if env::var_os("HOST") == env::var_os("TARGET") && glibc().is_some_and(|version| version >= READS_RELR) {
            println!("cargo::rustc-link-arg-bin=peregrine=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// The version of this system's glibc.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?.stdout;
    let told = String::from_utf8(told).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
