//! What `serve` and `check` say of the certificate's files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{Bench, Ran};
use crate::tls::Identity;

const WITH_TLS: &str = "ingest.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\ningest.tls_cert = \"cert.pem\"\ningest.tls_key = \"key.pem\"\n\
    klaviyo.endpoint = \"sandbox\"\noutbox.min_free_disk = 0\n\
    ingest.sources = [{ name = \"shop\", write_key = \"wk_shop\" }]\n";

fn bench(certificate: &str, key: &str) -> Bench {
    let bench = Bench::with(WITH_TLS);
    fs::write(bench.path().join("cert.pem"), certificate).unwrap();
    let file = bench.path().join("key.pem");
    fs::write(&file, key).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    bench
}

/// The line of `check` about TLS.
fn finding(ran: &Ran) -> &str {
    let mut lines = ran.out.lines();
    lines
        .find(|line| line.get(6..).is_some_and(|rest| rest.starts_with("tls: ")))
        .unwrap_or_else(|| panic!("{ran:?}"))
}

#[test]
fn wrong_files_fail_the_start_and_are_reported_by_check() {
    let (one, other) = (Identity::new(), Identity::new());
    let encrypted = one
        .key
        .replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE")
        .replace("END PRIVATE", "END ENCRYPTED PRIVATE");
    let old_encrypted = one.key.replace(
        "BEGIN PRIVATE KEY-----\n",
        "BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    );
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let torn = one.certificate.replace("-----END", "");
    for (certificate, key, words) in [
        ("", &*one.key, "tls_cert cert.pem holds no certificate"),
        (&one.key, &one.key, "tls_cert cert.pem holds no certificate"),
        (garbage, &one.key, "the certificate in tls_cert cert.pem cannot be read"),
        (&torn, &one.key, "tls_cert cert.pem is not readable PEM"),
        (&one.certificate, "", "tls_key key.pem holds no private key"),
        (
            &one.certificate,
            &one.certificate,
            "tls_key key.pem holds no private key",
        ),
        (
            &one.certificate,
            &encrypted,
            "the private key in tls_key key.pem is encrypted",
        ),
        (
            &one.certificate,
            &old_encrypted,
            "the private key in tls_key key.pem is encrypted",
        ),
        (
            &one.certificate,
            &other.key,
            "the private key in tls_key key.pem is not that of the certificate in tls_cert cert.pem",
        ),
    ] {
        let bench = bench(certificate, key);
        let ran = bench.run(&["serve"]);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{words}");
        let start = format!("error: [ingest]: {words}; ");
        let alone = format!("error: [ingest]: {words}, ");
        assert!(
            ran.err.starts_with(&start) || ran.err.starts_with(&alone),
            "{}",
            ran.err
        );
        assert!(!bench.path().join("outbox.db").exists(), "nothing was begun");
        let check = bench.run(&["check"]);
        assert_eq!(check.code, 1);
        assert!(finding(&check).starts_with(&format!("WRONG tls: [ingest]: {words}")));
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let bench = Bench::with(WITH_TLS);
    let ran = bench.run(&["serve"]);
    assert_eq!(ran.code, 1);
    let words = "failed to read tls_cert cert.pem; check the path, and that this user may read the file: No such file";
    assert!(ran.err.contains(words), "{}", ran.err);
}

#[test]
fn check_shows_until_when_the_certificate_is_valid() {
    let good = Identity::new();
    let ran = bench(&good.certificate, &good.key).run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        finding(&ran),
        "ok    tls: certificate and key fit, until 4096-01-01T00:00:00.000Z"
    );
    let old = Identity::until(2020);
    let ran = bench(&old.certificate, &old.key).run(&["check"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        finding(&ran),
        "WRONG tls: the certificate in ingest.tls_cert expired at 2020-01-01T00:00:00.000Z: clients refuse it; renew it"
    );
}

#[test]
fn a_key_that_every_user_can_read_is_noted() {
    let good = Identity::new();
    let bench = bench(&good.certificate, &good.key);
    let noted = |ran: &Ran| {
        ran.out
            .contains("note  ingest.tls_key key.pem can be read by every user")
    };
    assert!(!noted(&bench.run(&["check"])));
    let key = bench.path().join("key.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = bench.run(&["check"]);
    assert!(noted(&ran) && ran.code == 0, "{ran:?}");
}
