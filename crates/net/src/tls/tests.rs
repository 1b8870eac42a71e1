//! Certificates: what is said about files that cannot be used, and what happens when they change. Which one is shown, and
//! who is let in, is tested where connections are (`http/serve/tests/tls.rs`).

use super::*;
use crate::config::{CertificateConfig, ListenerConfig};
use crate::tests::{Authority, Folder};

fn config(folder: &Folder) -> ListenerTlsConfig {
    let mut config = ListenerConfig::defaults("127.0.0.1:0").tls;
    (config.certificate, config.key) = (Some(folder.path("a.pem")), Some(folder.path("a.key")));
    config
}

/// Field and problem of each complaint.
fn problems(config: &ListenerTlsConfig) -> Vec<(String, String)> {
    let complaints = Tls::load(config, true).err().unwrap_or_default();
    complaints.into_iter().map(|it| (it.field, it.problem)).collect()
}

#[track_caller]
fn assert_problem(config: &ListenerTlsConfig, field: &str, words: &[&str]) {
    let found = problems(config);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, field);
    for word in words {
        assert!(found[0].1.contains(word), "{word}: {found:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_field() {
    let (folder, authority) = (Folder::new(), Authority::new());
    authority.write(&folder, "a", &["a.example"]);
    authority.write(&folder, "b", &["b.example"]);
    assert_eq!(problems(&config(&folder)), []);
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path(name), text).unwrap();
        folder.path(name)
    };
    let empty = file("empty.pem", "nothing here\n");
    let broken = file(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let encrypted = file(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let with = |change: &dyn Fn(&mut ListenerTlsConfig)| {
        let mut config = config(&folder);
        change(&mut config);
        config
    };
    let certificate = |path: &Path| with(&|it| it.certificate = Some(path.to_owned()));
    let key = |path: &Path| with(&|it| it.key = Some(path.to_owned()));
    let missing = folder.path("missing.pem");
    assert_problem(
        &certificate(&missing),
        "tls.certificate",
        &["cannot be read", "missing.pem", "No such file"],
    );
    assert_problem(
        &certificate(&empty),
        "tls.certificate",
        &["holds no certificate", "empty.pem"],
    );
    assert_problem(&certificate(&broken), "tls.certificate", &["broken.pem"]);
    assert_problem(
        &certificate(&folder.path("a.key")),
        "tls.certificate",
        &["holds no certificate", "a.key"],
    );
    assert_problem(&key(&missing), "tls.key", &["cannot be read", "missing.pem"]);
    assert_problem(
        &key(&folder.path("a.pem")),
        "tls.key",
        &["holds no private key", "a.pem"],
    );
    assert_problem(&key(&encrypted), "tls.key", &["is encrypted", "encrypted.key"]);
    assert_problem(
        &key(&folder.path("b.key")),
        "tls.key",
        &["is not the key of the certificate", "b.key", "a.pem"],
    );
    let second = with(&|it| {
        it.certificates.push(CertificateConfig {
            certificate: folder.path("b.pem"),
            key: folder.path("a.key"),
        });
    });
    assert_problem(
        &second,
        "tls.certificates[0].key",
        &["is not the key of the certificate"],
    );
    let authorities = with(&|it| (it.client_auth, it.client_ca) = (ClientAuth::Required, Some(empty.clone())));
    assert_problem(&authorities, "tls.client_ca", &["holds no certificate", "empty.pem"]);
}

#[test]
fn changed_files_are_taken_when_they_are_good_and_told_about_when_not() {
    let (folder, authority) = (Folder::new(), Authority::new());
    authority.write(&folder, "a", &["old.example"]);
    let tls = Tls::load(&config(&folder), true).unwrap();
    let names = || tls.status().certificates[0].names.clone();
    let before = tls.server_config();
    tls.look();
    assert!(Arc::ptr_eq(&before, &tls.server_config()), "nothing changed");
    assert_eq!((tls.status().reloads, names()), (0, vec!["old.example".to_owned()]));

    // A certificate whose key has not arrived yet.
    authority.write(&folder, "new", &["new.example"]);
    std::fs::copy(folder.path("new.pem"), folder.path("a.pem")).unwrap();
    tls.look();
    let status = tls.status();
    assert_eq!(
        (status.reloads, status.reload_failures, names()),
        (0, 1, vec!["old.example".to_owned()])
    );
    assert!(
        status
            .problem
            .unwrap()
            .contains("tls.key is not the key of the certificate")
    );
    // Said once, not each time it is looked at.
    tls.look();
    assert_eq!(tls.status().reload_failures, 1);

    std::fs::copy(folder.path("new.key"), folder.path("a.key")).unwrap();
    tls.look();
    let status = tls.status();
    assert_eq!(
        (status.reloads, status.problem, names()),
        (1, None, vec!["new.example".to_owned()])
    );
    assert!(status.certificates[0].not_after_s.is_some());
}

#[test]
fn files_are_read_again_when_only_who_may_read_them_has_changed() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, authority) = (Folder::new(), Authority::new());
    authority.write(&folder, "a", &["a.example"]);
    let tls = Tls::load(&config(&folder), true).unwrap();
    let mode = || std::fs::Permissions::from_mode(0o600);
    // More than once, because the clock of a file system may tick slower than this.
    let noticed = (0..100_000).any(|_| {
        std::fs::set_permissions(folder.path("a.key"), mode()).unwrap();
        tls.look();
        tls.status().reloads == 1
    });
    assert!(noticed);
}

#[test]
fn a_problem_that_is_over_is_noticed_although_the_files_are_the_same() {
    let (folder, authority) = (Folder::new(), Authority::new());
    authority.write(&folder, "a", &["a.example"]);
    let tls = Tls::load(&config(&folder), true).unwrap();
    // As when the process had no descriptors left for a moment.
    tls.current.write().problem = Some("tls.key cannot be read".to_owned());
    tls.look();
    assert_eq!((tls.status().problem, tls.status().reloads), (None, 1));
    tls.look();
    assert_eq!(tls.status().reloads, 1);
}

#[test]
fn another_configuration_holds_once_it_is_adopted_or_not_at_all() {
    let (folder, authority) = (Folder::new(), Authority::new());
    authority.write(&folder, "a", &["a.example"]);
    authority.write(&folder, "b", &["b.example"]);
    let tls = Tls::load(&config(&folder), true).unwrap();
    let names = || tls.status().certificates[0].names.clone();
    assert!(tls.prepare(&config(&folder)).unwrap().is_none(), "sessions go on");
    let mut other = config(&folder);
    other.certificate = Some(folder.path("b.pem"));
    assert!(tls.prepare(&other).is_err());
    assert_eq!(names(), ["a.example"]);
    other.key = Some(folder.path("b.key"));
    let before = tls.server_config();
    let prepared = tls.prepare(&other).unwrap().unwrap();
    assert!(
        Arc::ptr_eq(&before, &tls.server_config()),
        "what is only prepared changes nothing"
    );
    tls.adopt(prepared);
    assert_eq!(names(), ["b.example"]);
    // From then on its files are those that are looked at.
    authority.write(&folder, "b", &["c.example"]);
    tls.look();
    assert_eq!(names(), ["c.example"]);
}
