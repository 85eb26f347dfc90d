//! Exit codes, and which stream has what.

use std::fs;

use expect_test::expect;

use super::{Bench, SANDBOX, finish};

/// The text that all of these are.
fn same<const N: usize>(texts: [String; N]) -> String {
    let mut texts = Vec::from(texts);
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    texts.remove(0)
}

/// Every command that reads a configuration.
const COMMANDS: [&[&str]; 8] = [
    &["serve"],
    &["check"],
    &["explain"],
    &["status"],
    &["show", "1"],
    &["replay", "--id", "1"],
    &["discard", "--id", "1"],
    &["import", "calls.ndjson"],
];

#[test]
fn wrong_usage_is_exit_code_2_and_says_how() {
    let bench = Bench::new();
    let help = bench.run(&[]);
    assert_eq!((help.code, &*help.out), (2, ""));
    assert!(help.err.contains("Usage: klaviyo-relay"), "{help:?}");
    let mut errors = String::new();
    for arguments in [
        &["nope"][..],
        &["--nope", "status"],
        &["status", "extra"],
        &["show"],
        &["explain", "--side", "left"],
        &["replay", "--id", "x"],
        &["discard", "--status", "done"],
        &["sandbox", "--listen", "nowhere"],
    ] {
        let ran = bench.run(arguments);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{arguments:?}");
        errors.extend(["$ klaviyo-relay ", &arguments.join(" "), "\n", &ran.err]);
    }
    expect![[r#"
        $ klaviyo-relay nope
        error: unrecognized subcommand 'nope'

        Usage: klaviyo-relay [OPTIONS] <COMMAND>

        For more information, try '--help'.
        $ klaviyo-relay --nope status
        error: unexpected argument '--nope' found

        Usage: klaviyo-relay [OPTIONS] <COMMAND>

        For more information, try '--help'.
        $ klaviyo-relay status extra
        error: unexpected argument 'extra' found

        Usage: klaviyo-relay status [OPTIONS]

        For more information, try '--help'.
        $ klaviyo-relay show
        error: the following required arguments were not provided:
          <EVENT>

        Usage: klaviyo-relay show <EVENT>

        For more information, try '--help'.
        $ klaviyo-relay explain --side left
        error: invalid value 'left' for '--side <SIDE>'
          [possible values: server, client]

          tip: a similar value exists: 'client'

        For more information, try '--help'.
        $ klaviyo-relay replay --id x
        error: invalid value 'x' for '--id <N>...': is the number of an event, or several with commas between them

        For more information, try '--help'.
        $ klaviyo-relay discard --status done
        error: invalid value 'done' for '--status <STATUS>'
          [possible values: pending, delivered, skipped, dead, held]

        For more information, try '--help'.
        $ klaviyo-relay sandbox --listen nowhere
        error: invalid value 'nowhere' for '--listen <ADDRESS>': invalid socket address syntax

        For more information, try '--help'.
    "#]]
    .assert_eq(&errors);
}

#[test]
fn help_and_version_are_data() {
    let bench = Bench::new();
    let version = concat!("klaviyo-relay ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(bench.run(&["--version"]).well(), version);
    let help = bench.run(&["--help"]).well();
    for arguments in COMMANDS.iter().chain(&[&["demo"][..], &["sandbox"]]) {
        assert!(help.contains(&format!("\n  {} ", arguments[0])), "{help}");
        let own = bench.run(&[arguments[0], "--help"]).well();
        assert!(own.contains("\nExample: "), "{own}");
        assert!(own.contains("else config.toml]"), "{own}");
        assert!(own.contains("KLAVIYO_RELAY_CONFIG"), "{own}");
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let bench = Bench::new();
    for arguments in COMMANDS {
        let ran = bench.run(&[arguments, &["--config", "other.toml"]].concat());
        assert_eq!((ran.code, &*ran.out), (1, ""), "{arguments:?}");
        let start = "error: there is no configuration at other.toml; name yours with --config FILE";
        assert!(ran.err.starts_with(start), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_wrong_configuration_is_reported_with_its_place() {
    let bench = Bench::with(&SANDBOX.replace("min_free_disk", "min_fre_disk"));
    let errors = COMMANDS.map(|arguments| {
        let ran = bench.run(arguments);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{arguments:?}");
        ran.err
    });
    expect![[r#"
        error: config.toml has 1 mistake
        config.toml:2:8: outbox.min_fre_disk is not a known key
            did you mean min_free_disk? known keys of [outbox]: path, retain_delivered, retain_bodies, retain_dead, min_free_disk, max_pending
    "#]].assert_eq(&same(errors));
}

#[test]
fn the_outbox_lies_beside_its_configuration() {
    let bench = Bench::new();
    let folder = bench.path().join("etc");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("relay.toml"), SANDBOX).unwrap();
    let ran = bench.run(&["--config", "etc/relay.toml", "status"]);
    assert!(ran.err.contains("there is no outbox at etc/outbox.db;"), "{}", ran.err);
}

#[test]
fn a_file_that_is_no_outbox_is_an_error() {
    let bench = Bench::new();
    let file = bench.path().join("outbox.db");
    let notes = "these are my notes, and no database at all. ".repeat(100);
    fs::write(&file, &notes).unwrap();
    let ran = bench.run(&["status"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    let start = "error: failed to open the outbox at outbox.db: ";
    assert!(ran.err.starts_with(start), "{}", ran.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), notes, "it stays as it is");

    fs::write(&file, "").unwrap();
    let ran = bench.run(&["status"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(ran.err.contains("has the older schema 0"), "{}", ran.err);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::prepared().await;
    for arguments in [&["status"][..], &["show", "1"], &["check"], &["--help"]] {
        let mut command = bench.command(arguments);
        // Nobody has the other end of this pipe when the command writes.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer);
        let ran = finish(command, "");
        assert_eq!((ran.code, &*ran.err), (0, ""), "{arguments:?}");
    }
}
