//! Codes and states are words that scripts compare: each one that the program has is on its page.

use std::collections::BTreeSet;

use klaviyo_relay::ingest::Flaw;
use klaviyo_relay::model::{DeliveryKind, DeliveryStatus, EventStatus, OutcomeKind};

use super::{Page, blocks, code_spans, source_of};

/// The lower-case words in quotes of a piece of source.
fn codes_in(source: &str) -> BTreeSet<String> {
    let quoted = source.split('"').skip(1).step_by(2);
    let is_code = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    quoted.filter(is_code).map(str::to_owned).collect()
}

/// The codes that the functions `code` and `status_and_code` of a folder give.
fn given_by_code(folder: &str) -> BTreeSet<String> {
    let source = source_of(folder);
    let bodies = source.match_indices("code(").map(|(at, _)| &source[at..]);
    bodies
        .filter_map(|body| body.split_once("&'static str"))
        .filter(|(arguments, _)| !arguments.contains('\n'))
        .flat_map(|(_, body)| codes_in(body.split("\n    }").next().unwrap()))
        .collect()
}

/// The codes that a page has in code spans.
fn spans(page: &Page) -> BTreeSet<String> {
    code_spans(&page.text.replace("```", "").replace('\n', " "))
        .into_iter()
        .collect()
}

fn assert_has(page: &str, codes: &BTreeSet<String>, least: usize) {
    assert!(codes.len() >= least, "only {codes:?}");
    let page = Page::read(page);
    let spans = spans(&page);
    let absent: Vec<&String> = codes.difference(&spans).collect();
    assert!(absent.is_empty(), "{} lacks {absent:?}", page.path);
}

#[test]
fn every_code_of_ingest_is_on_its_page() {
    let mut codes = given_by_code("src/ingest");
    codes.extend(Flaw::CODES.iter().map(|known| known.code.to_owned()));
    assert_has("docs/reference/answers.md", &codes, 25);
}

#[test]
fn every_reason_and_note_of_health_is_on_its_page() {
    let source = source_of("src/admin");
    let called = source.split("reason(").skip(1);
    let first = called.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'));
    let mut codes: BTreeSet<String> = first.map(|(code, _)| code.to_owned()).collect();
    codes.extend(given_by_code("src/admin"));
    codes.extend(given_by_code("src/console"));
    let problems = std::fs::read_to_string(super::root().join("src/operator/problem.rs")).unwrap();
    let (problems, _) = problems.split_once("mod tests").unwrap();
    let others = [
        "code",
        "message",
        "scope",
        "next_probe_at",
        "event",
        "identifier",
        "delivery",
    ];
    codes.extend(codes_in(problems).into_iter().filter(|word| !others.contains(&&**word)));
    assert_has("docs/reference/admin-port.md", &codes, 25);
}

#[test]
fn the_states_are_those_of_the_program() {
    let page = Page::read("docs/concepts/states.md");
    let first_cells = |heading: &str| -> Vec<String> {
        let rows = page.rows(heading);
        rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect()
    };
    let words = |words: Vec<&str>| -> Vec<String> { words.into_iter().map(str::to_owned).collect() };
    let events = words(EventStatus::ALL.iter().map(|status| status.word()).collect());
    let deliveries = words(DeliveryStatus::ALL.iter().map(|status| status.word()).collect());
    let outcomes = words(OutcomeKind::ALL.iter().map(|outcome| outcome.word()).collect());
    assert_eq!(first_cells("## Events"), events);
    assert_eq!(first_cells("## Deliveries"), deliveries);
    assert_eq!(first_cells("## Attempts"), outcomes);
    let kinds: BTreeSet<String> = DeliveryKind::ALL.iter().map(|kind| kind.word().to_owned()).collect();
    assert!(kinds.is_subset(&spans(&page)), "{kinds:?}");

    let pictures = page.blocks("mermaid");
    for (picture, states) in pictures.iter().zip([&events, &deliveries]) {
        let steps = picture.lines().filter_map(|line| line.trim().split_once(" --> "));
        let mut drawn = BTreeSet::new();
        for (from, rest) in steps {
            let (to, _) = rest.split_once(':').unwrap_or((rest, ""));
            drawn.extend([from.to_owned(), to.to_owned()]);
        }
        assert!(drawn.remove("[*]"));
        assert_eq!(drawn, states.iter().cloned().collect::<BTreeSet<_>>());
    }
    assert_eq!(pictures.len(), 2);
    assert_eq!(blocks("mermaid").len(), 2, "a picture elsewhere has no test");
}
