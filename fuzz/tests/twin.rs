//! The twin of fuzzing, which runs with all tests and needs no fuzzer: seeds, whatever was found, and mutations of both. All
//! chance comes from one seed, so that a failure repeats itself; it prints the bytes that failed.

use peregrine_fuzz::TARGETS;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// No input grows beyond it.
const BYTES_MAX: usize = 8 << 10;

#[test]
fn nothing_breaks_the_parsers() {
    std::thread::scope(|scope| {
        for (name, target, mutations) in TARGETS {
            scope.spawn(move || run(name, target, mutations));
        }
    });
}

fn run(name: &str, target: fn(&[u8]), mutations: usize) {
    let inputs: Vec<Vec<u8>> = files(name)
        .iter()
        .map(|path| fs::read(path).expect("a seed can be read"))
        .collect();
    assert!(!inputs.is_empty(), "{name} has no seeds");
    for input in &inputs {
        attempt(name, target, input);
    }
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..mutations {
        let mut input = inputs[rng.usize(..inputs.len())].clone();
        for _ in 0..rng.usize(1..6) {
            mutate(&mut input, &inputs, &mut rng);
        }
        attempt(name, target, &input);
    }
}

fn attempt(name: &str, target: fn(&[u8]), input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(
        outcome.is_ok(),
        "{name} fails; keep this in fuzz/found/{name}/: b\"{}\"",
        input.escape_ascii()
    );
}

/// The seeds and findings of a target, in the same order everywhere.
fn files(name: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["seeds", "found"] {
        let own = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the folder of the crate that it tests");
        let folder = Path::new(&own).join(folder).join(name);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            files.push(entry.expect("a folder can be listed").path());
        }
    }
    files.sort();
    files
}

fn mutate(input: &mut Vec<u8>, inputs: &[Vec<u8>], rng: &mut fastrand::Rng) {
    const INTERESTING: [u8; 12] = [0, b' ', b'\t', b'\r', b'\n', b',', b';', b'=', b'"', b':', 0x7f, 0xff];
    let at = rng.usize(..=input.len());
    match rng.u8(..7) {
        0 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
        1 if at < input.len() => input[at] = INTERESTING[rng.usize(..INTERESTING.len())],
        2 => input.insert(at, INTERESTING[rng.usize(..INTERESTING.len())]),
        3 if at < input.len() => drop(input.remove(at)),
        4 => input.truncate(at),
        5 => {
            let end = input.len().min(at + rng.usize(..32));
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        _ => {
            let other = &inputs[rng.usize(..inputs.len())];
            let from = rng.usize(..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
    input.truncate(BYTES_MAX);
}
