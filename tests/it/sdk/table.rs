//! The table of what a run of the real SDKs showed, written to `target/sdk/table.md` as the rows come in, and printed
//! when all are there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use super::client::Belief;
use super::ledger::Ledger;
use super::storm::EVENTS;
use super::{Sdk, TYPES};
use crate::docs::Page;

/// How many SDKs there are.
const ROWS: usize = 9;
const HEAD: &str = "| SDK | version | pointed at us by | calls accepted | events sent | delivered | duplicates | order kept | 429s met | sent again | notes |\n\
    |---|---|---|---|---|---|---|---|---|---|---|\n";

/// One SDK's row: its place, and its cells.
#[derive(Debug)]
pub(super) struct Row {
    place: usize,
    text: String,
}

impl Row {
    /// `met`: requests refused, and events that came again.
    pub(super) fn of(sdk: &Sdk, belief: &Belief, ledger: &Ledger, met: [u64; 2]) -> Self {
        let machine = belief.machine.as_deref();
        let version = machine.map_or_else(
            || belief.version.clone(),
            |machine| format!("{}, {machine}", belief.version),
        );
        let [refused, again] = met;
        let order = match ledger.late() {
            0 => "yes".to_owned(),
            late => format!("as they came; the SDK sent {late} late"),
        };
        let cells = [
            format!("`{}`", belief.library),
            version,
            sdk.pointed.to_owned(),
            format!("{} of {} types", ledger.accepted.len(), TYPES.len()),
            EVENTS.to_string(),
            ledger.distinct().to_string(),
            ledger.duplicates().to_string(),
            order,
            refused.to_string(),
            again.to_string(),
            sdk.notes.to_owned(),
        ];
        Self {
            place: sdk.row,
            text: format!("| {} |\n", cells.join(" | ")),
        }
    }
}

/// Adds a row of this run.
pub(super) fn add(row: Row) {
    static RUN: Mutex<BTreeMap<usize, String>> = Mutex::new(BTreeMap::new());
    let mut run = RUN.lock().unwrap();
    assert_eq!(run.insert(row.place, row.text), None, "a row of its own");
    let mut table = HEAD.to_owned();
    for text in run.values() {
        write!(table, "{text}").unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sdk/table.md");
    std::fs::write(file, &table).unwrap();
    if run.len() == ROWS {
        assert_manual_shows(&table);
        // Past the test runner's capture.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "\nreal SDKs, this run:\n{table}").unwrap();
    }
}

/// Asserts that the manual's table is this one, but for the figures that differ from run to run.
fn assert_manual_shows(table: &str) {
    let page = Page::read("docs/develop/sdk-results.md");
    let head = HEAD.lines().next().unwrap();
    let shown = page.text.lines().skip_while(|line| *line != head);
    let shown: Vec<&str> = shown.take_while(|line| line.starts_with('|')).collect();
    let lasting = |row: &&str| -> Vec<String> {
        // The machine's browser is as new as the machine.
        let sdk_version = |cell: &str| cell.split(", Chromium").next().map(str::to_owned);
        let mut cells: Vec<String> = row.split(" | ").filter_map(sdk_version).collect();
        // Order, refusals and copies.
        cells.drain(7..10);
        cells
    };
    let rows = |lines: &[&str]| lines.iter().skip(2).map(lasting).collect::<Vec<_>>();
    let table: Vec<&str> = table.lines().collect();
    assert_eq!(rows(&shown), rows(&table), "{}'s table is not this run's", page.path);
}
