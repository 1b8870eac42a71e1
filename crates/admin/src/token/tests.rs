//! The token's file: who may read it, what is refused, and two that start at once.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn state() -> (tempfile::TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let state = outer.path().join("state");
    (outer, state)
}

#[test]
fn the_first_start_makes_a_token_that_the_next_one_finds() {
    let (_outer, state) = state();
    let first = load_or_create(&state, None).unwrap();
    let path = state.join(FILE_NAME);
    assert_eq!(first.source, TokenSource::Created(path.clone()));
    assert_eq!(first.secret.expose().len(), 64);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    let second = load_or_create(&state, None).unwrap();
    assert_eq!(second.source, TokenSource::File(path.clone()));
    assert_eq!(second.secret, first.secret);
    assert_eq!(load(&path).unwrap(), Some(first.secret));
    // Nothing is left of the making.
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
}

#[test]
fn no_two_installations_share_a_token() {
    let ((_one, one), (_two, two)) = (state(), state());
    assert_ne!(
        load_or_create(&one, None).unwrap().secret,
        load_or_create(&two, None).unwrap().secret
    );
}

#[test]
fn the_environment_wins_and_leaves_no_file() {
    let (_outer, state) = state();
    let token = load_or_create(&state, Some(Secret::new("0123456789abcdef"))).unwrap();
    assert_eq!(token.source, TokenSource::Environment);
    assert!(!state.exists());
    for weak in [
        "",
        "short",
        "0123456789 abcdef",
        "0123456789\nabcdef",
        "0123456789äbcdef",
    ] {
        let error = load_or_create(&state, Some(Secret::new(weak))).unwrap_err().to_string();
        assert!(
            error.contains("PEREGRINE_ADMIN_TOKEN") && error.contains("16"),
            "{error}"
        );
        assert!(weak.is_empty() || !error.contains(weak), "{error}");
    }
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let (_outer, state) = state();
    load_or_create(&state, None).unwrap();
    let path = state.join(FILE_NAME);
    for mode in [0o640, 0o604, 0o620, 0o601] {
        chmod(&path, mode);
        let error = load_or_create(&state, None).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
    }
    chmod(&path, 0o600);
    load_or_create(&state, None).unwrap();
}

#[test]
fn a_directory_that_others_can_change_is_refused() {
    let (_outer, state) = state();
    load_or_create(&state, None).unwrap();
    for mode in [0o770, 0o707, 0o777] {
        chmod(&state, mode);
        let error = load_or_create(&state, None).unwrap_err();
        assert!(matches!(error, TokenError::DirectoryTooOpen { .. }), "{error}");
    }
    chmod(&state, 0o755);
    load_or_create(&state, None).unwrap();
}

#[test]
fn what_is_no_token_is_refused_and_not_replaced() {
    let (_outer, state) = state();
    load_or_create(&state, None).unwrap();
    let path = state.join(FILE_NAME);
    let long = "x".repeat(LENGTH_MAX + 1);
    for content in [
        b"".as_slice(),
        b"short\n",
        b"with a blank in the middle",
        b"\xff\xfe\xfd\xfc not text at all",
        long.as_bytes(),
    ] {
        fs::write(&path, content).unwrap();
        let error = load_or_create(&state, None).unwrap_err();
        assert!(matches!(error, TokenError::Unusable { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_link_is_not_followed() {
    let (outer, state) = state();
    load_or_create(&state, None).unwrap();
    let path = state.join(FILE_NAME);
    let elsewhere = outer.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(matches!(load_or_create(&state, None), Err(TokenError::System { .. })));
}

#[test]
fn two_that_start_at_once_get_the_same_token() {
    let (_outer, state) = state();
    prepare_directory(&state).unwrap();
    let path = state.join(FILE_NAME);
    // The other process places its token between our look and our link.
    let (ours, theirs) = (generate(&path).unwrap(), generate(&path).unwrap());
    assert!(create(&state, &path, &theirs).unwrap());
    assert!(!create(&state, &path, &ours).unwrap());
    assert_eq!(load(&path).unwrap(), Some(theirs));
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
}
