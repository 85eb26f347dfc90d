//! README.md's promises to people and scripts: views and columns, queries, settings, commands.
//!
//! What needs the `sqlite3` command is skipped where it is absent, with one line that says so; with
//! `RELAY_TESTS_REQUIRE_ALL=1` that is a failure. Every check counts what it looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use klaviyo_relay::config::{Changes, Config, OutboxConfig};
use klaviyo_relay::model::{EventType, Identifier, IdentifierKind, NewEvent, Timestamp};
use klaviyo_relay::outbox::Outbox;
use tempfile::TempDir;

/// The section of Klaviyo's limits, one subsection for each family of endpoints.
const LIMITS: &str = "delivery.limits";

const PROGRAM: &str = env!("CARGO_BIN_EXE_klaviyo-relay");

#[tokio::test]
async fn the_views_have_the_columns_that_the_readme_lists() {
    let outbox = Filled::new().await;
    let documented: BTreeMap<String, Vec<String>> = rows("### The views")
        .iter()
        .filter_map(|row| Some((only(code_spans(&row[0]))?, code_spans(row.get(2)?))))
        .collect();
    let Some(views) = outbox.ask("select name from sqlite_master where type = 'view'") else {
        return;
    };
    let mut found = BTreeMap::new();
    for view in views.lines() {
        let columns = outbox.ask(&format!("select name from pragma_table_info('{view}')"));
        let columns = columns.unwrap().lines().map(str::to_owned).collect();
        found.insert(view.to_owned(), columns);
    }
    assert_eq!(found, documented);
    assert!(found.len() >= 9, "only {} views", found.len());
}

#[tokio::test]
async fn every_query_of_the_readme_runs() {
    let outbox = Filled::new().await;
    let queries = blocks("sql");
    assert!(queries.len() >= 5, "only {} queries", queries.len());
    let mut answered = 0;
    for query in &queries {
        let Some(answer) = outbox.ask(query) else {
            return;
        };
        answered += usize::from(!answer.trim().is_empty());
    }
    // One order waits in the outbox: a query that reads what waits has something to say.
    assert!(answered >= 4, "only {answered} queries answered anything");
}

#[tokio::test]
async fn every_sqlite3_command_of_the_readme_runs() {
    let outbox = Filled::new().await;
    let lines = shell_lines();
    let commands: Vec<&String> = lines.iter().filter(|line| line.starts_with("sqlite3 ")).collect();
    assert!(commands.len() >= 2, "only {} commands", commands.len());
    if !has_sqlite3() {
        return;
    }
    for command in commands {
        assert!(command.contains(" -readonly "), "{command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(outbox.dir.path());
        answer_of(&mut shell, command);
    }
    assert!(outbox.dir.path().join("backup.db").exists());
}

#[test]
fn the_settings_table_has_every_key_with_its_default() {
    let known = Config::known_keys();
    let is_section = |key: &String| {
        let inside = format!("{key}.");
        known.iter().any(|other| other.starts_with(&inside))
    };
    // The limits of each family have a table of their own.
    let keys = known.iter().filter(|key| match key.strip_prefix(LIMITS) {
        Some(family) => family.is_empty(),
        None => !is_section(key),
    });
    let keys: BTreeSet<&String> = keys.collect();
    assert!(keys.len() >= 42, "only {} keys are known", keys.len());
    let table = rows("## Settings");
    let documented: Vec<(String, &String)> = table
        .iter()
        .map(|row| (only(code_spans(&row[0])).unwrap(), &row[1]))
        .collect();
    assert_eq!(documented.iter().map(|(key, _)| key).collect::<BTreeSet<_>>(), keys);

    let shipped = shipped();
    for (key, default) in documented {
        let value = value_at(&shipped, &key);
        let text = default.as_str();
        if text.starts_with("required") || key == "mapping.garbage_ids" || key == LIMITS {
            continue;
        }
        if text == "none" {
            let empty = value.is_none_or(|value| value.as_table().is_some_and(toml::Table::is_empty));
            assert!(empty, "{key} has a default");
            continue;
        }
        let literal = format!("x = {}", text.trim_matches('`'));
        let literal: toml::Table = literal.parse().unwrap();
        assert_eq!(value, literal.get("x"), "{key}");
    }
}

#[test]
fn every_key_that_needs_a_restart_is_named_as_one() {
    let every = fs::read_to_string(root().join("tests/config/every_setting.toml")).unwrap();
    let value = |_: &str| Some("pk_of_the_environment".to_owned());
    let every = Config::parse(&every, Path::new("config.toml"), &value).unwrap();
    let changes = Changes::between(&Config::default(), &every);
    let readme = readme();
    let start = readme.find("These need a restart").unwrap();
    let (named, _) = readme[start..].split_once("Another").unwrap();
    let named: BTreeSet<String> = code_spans(&named.replace('\n', " ")).into_iter().collect();
    let mut expected: BTreeSet<String> = changes.needs_restart.iter().map(ToString::to_string).collect();
    // It goes with the endpoint here, and is told of apart.
    assert!(expected.remove("klaviyo.private_key"));
    expected.insert("\"env:NAME\"".to_owned());
    assert_eq!(named, expected);
}

#[test]
fn the_limits_table_has_every_family_with_its_default() {
    let table = rows("## How fast");
    let shipped = shipped();
    let mut documented = BTreeSet::new();
    for row in &table {
        let family = only(code_spans(&row[0])).unwrap();
        for (name, figure) in [("burst", &row[2]), ("steady", &row[3])] {
            let key = format!("{LIMITS}.{family}.{name}");
            let set = value_at(&shipped, &key).and_then(toml::Value::as_integer);
            assert_eq!(set.map(|set| set.to_string()).as_ref(), Some(figure), "{key}");
            documented.insert(key);
        }
    }
    let known = Config::known_keys();
    let figures = known.into_iter().filter(|key| {
        let figure = key.rsplit_once('.').map(|(_, last)| last);
        matches!(figure, Some("burst" | "steady"))
    });
    assert_eq!(documented, figures.collect());
}

#[test]
fn every_command_and_option_of_the_readme_exists() {
    let help = program(&["--help"]);
    let listed = help.split_once("Commands:").unwrap().1;
    let listed = listed.split_once("Options:").unwrap().0;
    let first_word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut commands: BTreeSet<String> = listed.lines().filter_map(first_word).collect();
    assert!(commands.remove("help"));
    let documented: BTreeSet<String> = rows("## Commands")
        .iter()
        .filter_map(|row| only(code_spans(&row[0])))
        .collect();
    assert_eq!(documented, commands);

    let helps: BTreeMap<&String, String> = commands
        .iter()
        .map(|command| (command, program(&["help", command])))
        .collect();
    let mut used = BTreeSet::new();
    for line in shell_lines() {
        let Some((_, call)) = line.split_once("klaviyo-relay ") else {
            continue;
        };
        let call = call.split('#').next().unwrap_or(call);
        let mut words = call.split_whitespace().peekable();
        if words.next_if_eq(&"--config").is_some() {
            words.next();
        }
        let command = words.next().unwrap().to_owned();
        let help = helps
            .get(&command)
            .unwrap_or_else(|| panic!("there is no {command}: {line}"));
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(
                help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
                "{command} has no {option}: {line}"
            );
        }
        used.insert(command);
    }
    assert_eq!(used, commands, "the README has an example of each command");
}

#[test]
fn the_example_of_explain_prints_what_the_readme_shows() {
    let lines = shell_lines();
    let line = lines
        .iter()
        .find(|line| line.ends_with("klaviyo-relay explain"))
        .unwrap();
    let call = line.split('\'').nth(1).unwrap();
    let folder = TempDir::new().unwrap();
    let mut explain = Command::new(PROGRAM);
    explain.arg("explain").current_dir(folder.path());
    explain.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = explain.spawn().unwrap();
    running.stdin.take().unwrap().write_all(call.as_bytes()).unwrap();
    let printed = text_of(&running.wait_with_output().unwrap());
    let shown = blocks("text");
    assert!(shown.contains(&printed), "the README does not show\n{printed}");
}

/// An outbox with one order that waits.
struct Filled {
    dir: TempDir,
    _outbox: Outbox,
}

impl Filled {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let config = OutboxConfig {
            path: dir.path().join("outbox.db"),
            min_free_disk: 0,
            max_pending: None,
            ..OutboxConfig::default()
        };
        let now = Timestamp::from_millis(1_795_440_000_000);
        let outbox = Outbox::open(&config, now).await.unwrap();
        let order = NewEvent {
            source: "dev".to_owned(),
            message_id: "order".to_owned(),
            kind: Some(EventType::Track),
            name: Some("Order Completed".to_owned()),
            at: now,
            received_at: now,
            order_id: None,
            identifiers: Vec::from_iter(Identifier::new(IdentifierKind::UserId, "019mr8mf4r")),
            payload: r#"{"userId":"019mr8mf4r","event":"Order Completed","properties":{"revenue":25}}"#.to_owned(),
            envelope: None,
            refused: None,
        };
        outbox.append(vec![order]).await.unwrap();
        Self { dir, _outbox: outbox }
    }

    /// What `sqlite3` answers; `None` where the command is absent.
    fn ask(&self, sql: &str) -> Option<String> {
        if !has_sqlite3() {
            return None;
        }
        let mut sqlite3 = Command::new("sqlite3");
        sqlite3
            .args(["-readonly", "-bail"])
            .arg(self.dir.path().join("outbox.db"))
            .arg(sql);
        Some(answer_of(&mut sqlite3, sql))
    }
}

/// Whether the `sqlite3` command is there; says so when it is not.
fn has_sqlite3() -> bool {
    match Command::new("sqlite3").arg("-version").output() {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let required = std::env::var_os("RELAY_TESTS_REQUIRE_ALL").is_some();
            assert!(
                !required,
                "the sqlite3 command is absent: install Debian's package sqlite3"
            );
            // Straight to stderr: what tests print is shown only when they fail.
            let mut stderr = std::io::stderr();
            writeln!(stderr, "skipped, since the sqlite3 command is absent").unwrap();
            false
        }
        Err(error) => panic!("sqlite3 cannot be run: {error}"),
    }
}

fn answer_of(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{what}\n{complaint}");
    text_of(&output)
}

fn program(arguments: &[&str]) -> String {
    answer_of(Command::new(PROGRAM).args(arguments), &arguments.join(" "))
}

fn text_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `config.toml` as shipped.
fn shipped() -> toml::Table {
    let text = fs::read_to_string(root().join("config.toml")).unwrap();
    text.parse().unwrap()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The rows of the first table below a heading, without its head.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let readme = readme();
    let below = readme.lines().skip_while(|line| *line != heading);
    let table = below.skip_while(|line| !line.starts_with('|'));
    let rows: Vec<Vec<String>> = table
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "README.md has no table below {heading}");
    rows
}

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let fence = format!("```{language}");
    let mut lines = readme.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line == fence {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            blocks.push(inside.fold(String::new(), |block, line| block + line + "\n"));
        }
    }
    blocks
}

fn shell_lines() -> Vec<String> {
    let lines: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(str::to_owned)
        .collect();
    assert!(lines.len() >= 10, "only {} lines of shell", lines.len());
    lines
}

fn code_spans(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn only(mut spans: Vec<String>) -> Option<String> {
    (spans.len() == 1).then(|| spans.remove(0))
}

/// The value of a full key; of an array of sections its first counts.
fn value_at<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    let (first, rest) = key
        .split_once('.')
        .map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = table.get(first)?;
    let Some(rest) = rest else {
        return Some(value);
    };
    let section = match value.as_array() {
        Some(sections) => sections.first()?,
        None => value,
    };
    value_at(section.as_table()?, rest)
}
