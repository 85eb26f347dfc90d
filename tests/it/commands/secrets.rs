//! No command prints a key, however it is asked and whatever goes wrong.

use super::{Bench, Ran, SANDBOX, Sandbox};

const PRIVATE_KEY: &str = "pk_Vq8sPrivate3xZ";
const WRITE_KEY: &str = "wk_Rj5uWrite9tL";
const TOKEN: &str = "tk_Bw4yToken7nGlongenough";

/// Every secret from the environment, everything logged.
fn config(endpoint: &str) -> String {
    let endpoint = format!("\"{endpoint}\"\nklaviyo.private_key = \"env:PRIVATE_KEY\"");
    let config = SANDBOX
        .replace("\"sandbox\"", &endpoint)
        .replace("\"wk_shop\"", "\"env:WRITE_KEY\"");
    format!("admin.token = \"env:TOKEN\"\nlog.filter = \"trace\"\n{config}")
}

fn run(bench: &Bench, arguments: &[&str], private_key: &str) -> Ran {
    let mut command = bench.command(arguments);
    command
        .env("PRIVATE_KEY", private_key)
        .env("WRITE_KEY", WRITE_KEY)
        .env("TOKEN", TOKEN)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .stdout(std::process::Stdio::piped());
    let ran = super::finish(command, r#"{"type":"identify","userId":"u"}"#);
    for secret in [private_key, WRITE_KEY, TOKEN] {
        let bare = secret.trim_start_matches("pk_");
        assert!(!ran.out.contains(bare), "{arguments:?} {ran:?}");
        assert!(!ran.err.contains(bare), "{arguments:?} {ran:?}");
    }
    ran
}

#[tokio::test]
async fn no_command_prints_a_key_even_when_everything_is_logged() {
    let bench = Bench::with(&config("sandbox"));
    bench.prepare().await;
    for arguments in [
        &["check"][..],
        &["explain"],
        &["explain", "--json"],
        &["status"],
        &["status", "--json"],
        &["show", "1"],
        &["show", "1", "--json"],
        &["show", "nothing"],
        &["replay", "--id", "1"],
        &["replay", "--id", "99"],
        &["audit"],
        &["export"],
        &["forget", "--profile", "cat"],
        &["demo", "--log", "trace"],
    ] {
        run(&bench, arguments, PRIVATE_KEY);
    }
}

#[test]
fn a_check_prints_no_key_whether_it_is_taken_or_not() {
    let sandbox = Sandbox::start(&Bench::new(), PRIVATE_KEY);
    let bench = Bench::with(&config(&sandbox.url));
    let ran = run(&bench, &["check"], PRIVATE_KEY);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "", "what libraries trace is logged at no level");
    let ran = run(&bench, &["check"], "pk_Other6key2Wm");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("answered 401"), "{ran:?}");
}

#[test]
fn a_malformed_key_is_not_quoted() {
    let bench = Bench::with(&config("https://a.klaviyo.com"));
    for wrong in [
        "Vq8sPrivate3xZ",
        "pk_Vq8s Private3xZ",
        "pk_Vq8s\u{e9}Private3xZ",
    ] {
        for command in ["check", "status", "serve"] {
            let ran = run(&bench, &[command], wrong);
            assert_eq!((ran.code, &*ran.out), (1, ""), "{ran:?}");
            assert!(ran.err.contains("klaviyo.private_key"), "{ran:?}");
            assert!(!ran.err.contains("Private3xZ"), "{ran:?}");
        }
    }
}

#[test]
fn a_key_that_is_not_in_the_environment_is_named_by_its_variable() {
    let ran = Bench::with(&config("sandbox")).run(&["check"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    for variable in ["PRIVATE_KEY", "WRITE_KEY", "TOKEN"] {
        assert!(ran.err.contains(variable), "{}", ran.err);
    }
}
