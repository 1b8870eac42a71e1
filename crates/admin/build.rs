//! Embeds the built dashboard: whatever lies in `web/dashboard/dist`, or in the folder that `PEREGRINE_DASHBOARD_DIST` names,
//! with the `.br` and `.gz` beside each file. Without it the program is built all the same and says how to build it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "PEREGRINE_DASHBOARD_DIST";
/// A dashboard larger than this is none of ours.
const FILES_MAX: usize = 2000;

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    let folder = match env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        Some(named) => PathBuf::from(named),
        None => {
            let web = here.join("../../web/dashboard");
            let folder = web.join("dist");
            // A folder that is not there cannot be watched: cargo would build this crate anew each time.
            if web.is_dir() {
                let _ = fs::create_dir_all(&folder);
            }
            folder
        }
    };
    let mut files = Vec::new();
    if let Ok(folder) = folder.canonicalize() {
        println!("cargo::rerun-if-changed={}", folder.display());
        gather(&folder, &folder, &mut files);
        files.sort();
    }
    fs::write(out.join("dashboard.rs"), table(&files, &out)).expect("OUT_DIR can be written");
}

/// Adds the names of all files under `folder`, seen from `root`, but for those that are compressed forms of others.
fn gather(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            gather(root, &path, files);
            continue;
        }
        let name = path.strip_prefix(root).ok().and_then(Path::to_str);
        if let Some(name) =
            name.filter(|name| !name.ends_with(".br") && !name.ends_with(".gz") && !name.ends_with(".map"))
        {
            assert!(
                files.len() < FILES_MAX,
                "{}: more than {FILES_MAX} files",
                root.display()
            );
            files.push((name.to_owned(), path.clone()));
        }
    }
}

/// The files as a table in Rust, sorted by name. They are copied to `out`, beside the table: with paths into the checkout the
/// program would come out different in each folder.
fn table(files: &[(String, PathBuf)], out: &Path) -> String {
    let mut text = String::from("&[\n");
    for (number, (name, path)) in files.iter().enumerate() {
        let included = |ending: &str| {
            let mut from = path.clone().into_os_string();
            from.push(ending);
            let copy = format!("file{number}{ending}");
            let is_there = Path::new(&from).is_file();
            is_there.then(|| {
                fs::copy(&from, out.join(&copy)).expect("OUT_DIR can be written");
                format!("include_bytes!({copy:?})")
            })
        };
        let compressed = |ending| included(ending).map_or_else(|| "None".to_owned(), |bytes| format!("Some({bytes})"));
        let plain = included("").expect("it was found there");
        let (br, gz) = (compressed(".br"), compressed(".gz"));
        writeln!(
            text,
            "    File {{ name: {name:?}, plain: {plain}, br: {br}, gz: {gz} }},"
        )
        .expect("a text takes what is written to it");
    }
    text.push_str("]\n");
    text
}
