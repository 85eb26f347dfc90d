//! No command prints a key, however it is called and whatever goes wrong.

use std::fs;
use std::process::Stdio;

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
        .stdout(Stdio::piped());
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
fn a_check_prints_no_key_whether_it_is_accepted_or_not() {
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
    for wrong in ["Vq8sPrivate3xZ", "pk_Vq8s Private3xZ", "pk_Vq8s\u{e9}Private3xZ"] {
        for command in ["check", "serve"] {
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

#[tokio::test]
async fn a_command_that_sends_nothing_needs_no_secret() {
    let bench = Bench::with(&config("https://a.klaviyo.com"));
    bench.prepare().await;
    for arguments in [
        &["explain"][..],
        &["status"],
        &["show", "1"],
        &["audit"],
        &["replay", "--status", "dead", "--dry-run"],
        &["hold", "--status", "pending", "--dry-run"],
        &["release", "--status", "held", "--dry-run"],
        &["discard", "--status", "pending", "--dry-run"],
        &["forget", "--profile", "cat", "--dry-run"],
        &["import", "--dry-run", "-"],
        &["export", "--status", "dead"],
        &["backup", "copy.db"],
        &["restore", "copy.db", "--force", "--dry-run"],
    ] {
        let ran = bench.run_on(r#"{"type":"identify","userId":"u"}"#, arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    }
    for command in ["serve", "check"] {
        let ran = bench.run(&[command]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("PRIVATE_KEY, which is not set"), "{ran:?}");
    }
}

#[test]
fn a_secret_is_read_from_a_file_without_the_newline_at_its_end() {
    let sandbox = Sandbox::start(&Bench::new(), PRIVATE_KEY);
    let config = config(&sandbox.url);
    let config = config.replace("env:PRIVATE_KEY", "file:secrets/private_key");
    let bench = Bench::with(&config.replace("env:TOKEN", "file:secrets/token"));
    let check = || run(&bench, &["check"], PRIVATE_KEY);
    let missing = check();
    assert_eq!(missing.code, 1, "{missing:?}");
    for file in ["secrets/private_key", "secrets/token"] {
        let named = format!("names the file {file}, which cannot be read");
        assert!(missing.err.contains(&named), "{missing:?}");
    }

    fs::create_dir(bench.path().join("secrets")).unwrap();
    let write = |name: &str, text: &str| fs::write(bench.path().join(name), text).unwrap();
    write("secrets/token", &format!("{TOKEN}\r\n"));
    write("secrets/private_key", "\n");
    assert!(check().err.contains("which is empty"));
    write("secrets/private_key", &format!("{PRIVATE_KEY}\n"));
    let accepted = check();
    assert_eq!(accepted.code, 0, "{accepted:?}");
}

#[test]
fn a_variable_names_the_configuration_where_no_option_does() {
    let bench = Bench::new();
    fs::rename(bench.path().join("config.toml"), bench.path().join("relay.toml")).unwrap();
    let run = |variable: &str, arguments: &[&str]| {
        let mut command = bench.command(arguments);
        command.env("KLAVIYO_RELAY_CONFIG", variable);
        command.stdout(Stdio::piped());
        super::finish(command, "{}")
    };
    assert_eq!(run("relay.toml", &["check"]).code, 0);
    assert_eq!(run("relay.toml", &["check", "--config", "other.toml"]).code, 1);
    assert_eq!(run("other.toml", &["check", "--config", "relay.toml"]).code, 0);
    for arguments in [&["check"][..], &["explain"]] {
        let ran = run("other.toml", arguments);
        let start = "error: there is no configuration at other.toml";
        assert!(ran.err.starts_with(start), "{ran:?}");
    }
    let ran = run("", &["check"]);
    assert!(ran.err.contains("no configuration at config.toml"), "{ran:?}");
}
