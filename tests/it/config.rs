//! `config.toml`: the shipped file is the default and has every key; errors name all that is wrong with a file; secrets
//! are never shown.
//!
//! `tests/config/wrong/` holds the wrong files, each with the exact error in a file of its name. After a change of a
//! declaration or an error, `RELAY_TESTS_UPDATE=1` writes the errors, `config.toml` and the reference: read their diff.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use expect_test::expect;
use klaviyo_relay::config::{Config, ConfigError, Endpoint};
use klaviyo_relay::model::{AfterDead, Family, Right, Side};
use secrecy::{ExposeSecret, SecretString};

/// A value that must not be seen again, wherever it was put.
const SECRET: &str = "Zq7Xw2Lk9Vb4Nm1R";

/// The environment of every test here.
fn environment(name: &str) -> Option<String> {
    match name {
        "QUOTED" => Some(format!("\"pk_{SECRET}\"")),
        "EMPTY" => Some(String::new()),
        "PRIVATE_KEY" => Some(format!("pk_{SECRET}\n")),
        "TOKEN" | "NO_PRIVATE_KEY" => Some(SECRET.to_owned()),
        "SHORT_TOKEN" => Some("Zq7Xw2".to_owned()),
        _ => None,
    }
}

const SOURCE: &str = "[[ingest.sources]]\nname = \"dev\"\nwrite_key = \"dev\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("config.toml"), &environment)
}

/// The smallest configuration that is complete, and more.
fn minimal_and(more: &str) -> String {
    format!("klaviyo.endpoint = \"sandbox\"\n{SOURCE}{more}")
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> String {
    fs::read_to_string(root().join("config.toml")).expect("the shipped file is there")
}

/// `Debug` shows every field but the secrets, which are compared apart.
fn assert_is_the_default(config: &Config) {
    let default = Config::default();
    assert_eq!(format!("{config:#?}"), format!("{default:#?}"));
    let keys = |config: &Config| -> Vec<String> {
        let sources = config.ingest.sources.iter();
        sources
            .map(|source| source.write_key.expose_secret().to_owned())
            .collect()
    };
    assert_eq!(keys(config), ["dev"]);
    assert_eq!(keys(&default), ["dev"]);
    assert!(config.klaviyo.private_key.is_none() && config.admin.token.is_none());
}

#[test]
fn the_shipped_file_is_the_default() {
    assert_is_the_default(&parse(&shipped()).unwrap());
}

#[test]
fn a_missing_key_has_its_default() {
    assert_is_the_default(&parse(&minimal_and("")).unwrap());
}

#[test]
fn the_shipped_file_and_the_reference_are_generated_from_the_declarations() {
    let update = std::env::var_os("RELAY_TESTS_UPDATE").is_some();
    for (file, printed) in [
        ("config.toml", Config::shipped()),
        ("docs/reference/settings.md", Config::reference()),
    ] {
        let file = root().join(file);
        if update {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &printed).unwrap();
        }
        let written = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == printed,
            "{} is not what the declarations in src/config print: run with RELAY_TESTS_UPDATE=1, and read the diff",
            file.display()
        );
        for key in Config::known_keys() {
            let name = key.rsplit('.').next().unwrap();
            assert!(printed.contains(name), "{} does not have {key}", file.display());
        }
    }
    assert!(!update, "the files were written: read their diff");
}

#[test]
fn every_commented_example_of_the_shipped_file_is_valid() {
    let mut examples = 0;
    let switched_on: Vec<String> = shipped()
        .lines()
        .map(|line| {
            let key = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = "));
            let is_bare = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let is_key = |key: &str| is_bare(key) || key.starts_with('"') && key.ends_with('"');
            match key {
                Some((key, value)) if is_key(key) => {
                    examples += 1;
                    let value = value
                        .replace("env:KLAVIYO_PRIVATE_KEY", "env:PRIVATE_KEY")
                        .replace("env:KLAVIYO_RELAY_TOKEN", "env:TOKEN")
                        .replace("env:SEGMENT_SHARED_SECRET", "env:TOKEN");
                    format!("{key} = {value}")
                }
                _ => line.to_owned(),
            }
        })
        .collect();
    let config = parse(&switched_on.join("\n")).unwrap();
    assert_eq!(examples, 13);
    for name in ["Order Completed", "identify"] {
        assert_eq!(config.delivery.after_dead_for[name], AfterDead::Hold);
    }
    assert_eq!(config.mapping.list_id.as_deref(), Some("baV129"));
    assert_eq!(config.mapping.audience_lists["order_completed_last_30days"], "baV129");
    assert_eq!(exposed(config.admin.token.as_ref()), Some(SECRET));
    assert_eq!(
        exposed(config.klaviyo.private_key.as_ref()),
        Some(format!("pk_{SECRET}").as_str()),
        "without the newline of the environment"
    );
}

#[test]
fn every_mistake_of_an_invalid_file_is_reported() {
    let folder = root().join("tests/config/wrong");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 25, "only {} wrong files", cases.len());
    let update = std::env::var_os("RELAY_TESTS_UPDATE").is_some();
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let error = parse(&text).expect_err(&format!("{} was accepted", case.display()));
        let error = format!("{error}\n");
        let expected = case.with_extension("txt");
        if update {
            fs::write(&expected, &error).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(error, expected, "{}", case.display());
        assert!(!error.contains(SECRET), "{} shows a secret", case.display());
    }
    assert!(!update, "the expected texts were written: read their diff");
}

#[test]
fn every_setting_is_read_from_its_key() {
    let text = fs::read_to_string(root().join("tests/config/every_setting.toml")).unwrap();
    let config = parse(&text).unwrap();
    assert_eq!(config.warnings, [""; 0]);
    let shown = format!("{config:#?}");
    let default = format!("{:#?}", Config::default());
    // Each setting differs from its default, so that a key read into the wrong field would show.
    for line in shown.lines().filter(|line| line.ends_with(',') && line.contains(": ")) {
        let apart = line.contains("SecretBox") || line.contains("warnings");
        assert!(
            apart || !default.lines().any(|other| other == line),
            "left as it was: {line}"
        );
    }
    let [shop, server] = config.ingest.sources.as_slice() else {
        panic!("two sources");
    };
    assert_eq!(shop.write_key.expose_secret(), "shop-key");
    assert_eq!((shop.side, server.side), (Some(Side::Client), Some(Side::Server)));
    assert_eq!(shop.allow, [Right::List, Right::ConsentAt]);
    assert_eq!(shop.rules().allow, [Right::List, Right::ConsentAt, Right::Delete]);
    assert_eq!(shop.allowed_origins, ["https://shop.example"]);
    assert_eq!(server.write_key.expose_secret(), SECRET);
    assert_eq!(exposed(shop.shared_secret.as_ref()), Some("shop-secret"));
    assert_eq!(exposed(server.shared_secret.as_ref()), Some(SECRET));
    assert_eq!(
        config.klaviyo.endpoint,
        Endpoint::Url("https://a.klaviyo.com".to_owned())
    );
    assert_eq!(config.delivery.first_retry, Duration::from_millis(250));
    assert_eq!(config.delivery.after_dead_for["Order Completed"], AfterDead::Continue);
    let figures = Family::ALL.iter().map(|family| {
        let limit = config.delivery.limits.of(*family);
        (limit.burst, limit.steady)
    });
    let expected = [
        (351, 3501),
        (11, 151),
        (76, 751),
        (12, 152),
        (13, 153),
        (77, 752),
        (14, 154),
        (4, 61),
    ];
    assert_eq!(figures.collect::<Vec<_>>(), expected);
    assert_eq!(config.outbox.min_free_disk, 1_000_000_000);
    assert_eq!(config.outbox.max_pending, Some(5_000_000));
    assert!(config.mapping.garbage_ids.contains("guest"));
    assert!(!config.mapping.garbage_ids.contains("null"));
    assert_eq!(config.mapping.audience_lists["vip"], "Vv1Pp2");
}

#[test]
fn a_file_with_windows_line_ends_has_the_same_line_numbers() {
    let windows = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_is_the_default(&parse(&windows(&shipped())).unwrap());
    let error = parse(&windows(&minimal_and("[delivery]\ntimeuot = \"1s\"\n"))).unwrap_err();
    assert!(
        error.to_string().contains("config.toml:6:1: delivery.timeuot"),
        "{error}"
    );
}

#[test]
fn a_relative_outbox_path_is_relative_to_the_configuration() {
    let path = |file: &str, line: &str| {
        let text = minimal_and(&format!("[outbox]\n{line}\n"));
        Config::parse(&text, Path::new(file), &environment).unwrap().outbox.path
    };
    assert_eq!(path("/etc/relay/config.toml", ""), Path::new("/etc/relay/outbox.db"));
    assert_eq!(
        path("/etc/relay/config.toml", "path = \"/data/o.db\""),
        Path::new("/data/o.db")
    );
    assert_eq!(
        path("relay/config.toml", "path = \"../o.db\""),
        Path::new("relay/../o.db")
    );
    assert_eq!(path("config.toml", ""), Path::new("outbox.db"));
}

#[test]
fn a_missing_file_is_an_error_that_names_a_template() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let error = Config::load(&file, &environment).unwrap_err().to_string();
    expect!["there is no configuration at FOLDER/config.toml; name yours with --config FILE or KLAVIYO_RELAY_CONFIG, or start from the config.toml in the root of klaviyo-relay's repository, which runs as it is"].assert_eq(&error.replace(file.to_str().unwrap(), "FOLDER/config.toml"));
    let error = Config::load(folder.path(), &environment).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error:?}");
    fs::write(&file, b"name = \"caf\xe9\"").unwrap();
    let error = Config::load(&file, &environment).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error:?}");
}

#[test]
fn a_secret_with_literal_quotes_is_rejected() {
    let errors = ["env:QUOTED", "'pk_Zq7Xw2Zq7Xw2'"].map(|key| {
        let text = format!("[klaviyo]\nprivate_key = \"{key}\"\nendpoint = \"sandbox\"\n{SOURCE}");
        parse(&text).unwrap_err().to_string()
    });
    expect![[r#"
        config.toml has 1 mistake
        config.toml:2:15: klaviyo.private_key comes from the environment variable QUOTED and begins and ends with a quote, which would be part of it: leave the quotes out (`docker run --env-file` keeps them)
            allowed: a private API key, which begins with pk_, in quotes, or "env:NAME" to take it from the environment, or "file:PATH" from a file
        config.toml has 1 mistake
        config.toml:2:15: klaviyo.private_key begins and ends with a quote, which would be part of it: leave the quotes out (`docker run --env-file` keeps them)
            allowed: a private API key, which begins with pk_, in quotes, or "env:NAME" to take it from the environment, or "file:PATH" from a file"#]].assert_eq(&errors.join("\n"));
}

#[test]
fn probable_mistakes_are_warnings() {
    let warnings = |text: &str| parse(text).unwrap().warnings;
    assert_eq!(warnings(&minimal_and("")), [""; 0]);
    let one = |text: &str| match warnings(text).as_slice() {
        [warning] => warning.clone(),
        other => panic!("not one warning: {other:?}"),
    };
    let key = format!("[klaviyo]\nprivate_key = \"pk_{SECRET}\"\nendpoint = \"sandbox\"\n{SOURCE}");
    let open = minimal_and("[ingest]\nlisten = \"0.0.0.0:8080\"\n");
    let sandbox = format!("[klaviyo]\nendpoint = \"sandbox\"\nsandbox_listen = \"[::]:9100\"\n{SOURCE}");
    expect![[r#"
        klaviyo.private_key is set and klaviyo.endpoint is "sandbox": nothing reaches Klaviyo; set klaviyo.endpoint = "https://a.klaviyo.com" to deliver
        the write key of source dev is the one shipped with klaviyo-relay, and ingest.listen is 0.0.0.0:8080: anyone who reaches that port can send events; choose a write key of your own
        klaviyo.sandbox_listen is [::]:9100: other machines can read what the sandbox got, and make it fail"#]].assert_eq(&[key, open, sandbox].map(|text| one(&text)).join("\n"));
}

#[cfg(unix)]
#[test]
fn a_world_readable_file_with_a_secret_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let warnings = |token: &str, mode: u32| {
        fs::write(&file, minimal_and(&format!("[admin]\ntoken = \"{token}\"\n"))).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        Config::load(&file, &environment).unwrap().warnings
    };
    let open = warnings(SECRET, 0o644);
    let open = open.join("\n").replace(file.to_str().unwrap(), "FOLDER/config.toml");
    expect![[r#"FOLDER/config.toml holds admin.token and can be read by every user of this machine: chmod 600, or use "env:NAME""#]].assert_eq(&open);
    assert_eq!(warnings(SECRET, 0o600), [""; 0]);
    assert_eq!(warnings("env:TOKEN", 0o644), [""; 0]);
}

/// Every way to write a value, each with the secret in it, right and wrong.
const FORMS: [&str; 20] = [
    r#"K = "S""#,
    r#"K = "pk_S""#,
    r"K = 'pk_S'",
    r#"K = "pk_S ""#,
    r#"K = "env:S""#,
    r#"K = "env:pk_S""#,
    r#"K = "env: S""#,
    r"K = S",
    r"K = pk_S",
    r#"K = "pk_S"#,
    r#"K = "pk_S\q""#,
    r#"K = ["pk_S"]"#,
    r#"K = { value = "pk_S" }"#,
    r#"K = """
pk_S
""""#,
    r#"K = """
pk_S\q
""""#,
    r#"K = """
pk_S"#,
    r#"K = "pk_S" "pk_S""#,
    r#"K "pk_S""#,
    r#"Kx = "pk_S""#,
    r#""pk_S" = 1"#,
];

#[test]
fn a_secret_is_never_shown() {
    let (mut accepted, mut rejected) = (0, 0);
    for key in [
        "klaviyo.private_key",
        "admin.token",
        "ingest.sources.write_key",
        "ingest.sources.shared_secret",
    ] {
        for form in FORMS {
            let (section, name) = key.rsplit_once('.').unwrap();
            let line = form.replace('K', name).replace('S', SECRET);
            let header = if section == "ingest.sources" {
                format!(
                    "[[ingest.sources]]\nname = \"second\"{}",
                    if name == "write_key" {
                        ""
                    } else {
                        "\nwrite_key = \"second\""
                    }
                )
            } else {
                format!("[{section}]")
            };
            let endpoint = if section == "klaviyo" {
                ""
            } else {
                "klaviyo.endpoint = \"sandbox\""
            };
            let inside = if section == "klaviyo" {
                "endpoint = \"sandbox\""
            } else {
                ""
            };
            let text = format!("{endpoint}\n{SOURCE}{header}\n{inside}\n{line}\n");
            let shown = match parse(&text) {
                Ok(config) => {
                    accepted += 1;
                    format!("{config:?} {config:#?} {:?}", config.warnings)
                }
                Err(error) => {
                    rejected += 1;
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    format!("{error} {error:?} {error:#?} {source:?}")
                }
            };
            // A name after env: is a variable's, and the error must say which one is not set.
            let shown = shown.replace(&format!("the environment variable {SECRET},"), "");
            assert!(!shown.contains(SECRET), "{text}\n{shown}");
        }
    }
    assert!(
        accepted >= 6 && rejected >= 40,
        "{accepted} accepted, {rejected} rejected"
    );
}

#[test]
fn a_number_in_the_place_of_a_secret_is_never_shown() {
    for key in ["klaviyo.private_key", "admin.token"] {
        for value in [
            "4211223344556677",
            "42.11223344556677",
            "0x4211223344556677",
            "4211-22-33",
            "04211223344556677",
        ] {
            let error = parse(&format!("{key} = {value}\n{SOURCE}")).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(key) || shown.contains("may hold a secret"), "{shown}");
            assert!(!shown.contains("4211") && !shown.contains("2233"), "{shown}");
        }
    }
}
