//! docs/reference/mapping-codes.md lists the codes of the mapping as the mapper declares them.

use klaviyo_relay::mapper::{Note, ReasonCode, Refusal, Skip, Warning};

use super::assert_is_generated;

const HEAD: &str = "# Codes of the mapping

<!-- This page is generated from src/mapper by a test: change it there. -->

A code stays the same when its text changes. Texts are in the view columns `reason` and `warnings`, in
`klaviyo-relay show` and on the admin page.
";

fn table(title: &str, about: &str, rows: impl Iterator<Item = (&'static str, String)>) -> String {
    let head = format!("\n## {title}\n\n{about}\n\n| code | meaning |\n|---|---|\n");
    rows.fold(head, |page, (code, about)| page + &format!("| `{code}` | {about} |\n"))
}

fn reasons(codes: &'static [ReasonCode]) -> impl Iterator<Item = (&'static str, String)> {
    codes.iter().map(|reason| (reason.code, reason.about.to_owned()))
}

#[test]
fn the_codes_of_the_mapping_are_those_of_the_mapper() {
    let notes = Note::ALL
        .iter()
        .map(|note| (note.code(), note.text().replace("{from}", "…")));
    let page = [
        HEAD.to_owned(),
        table(
            "Skipped",
            "Why a call owes Klaviyo nothing: the event is `skipped`.",
            reasons(Skip::CODES),
        ),
        table(
            "Refused",
            "Why a request is never sent: the delivery is `rejected`.",
            reasons(Refusal::CODES),
        ),
        table(
            "Warnings",
            "What the sender may want to know, though the request is sent.",
            reasons(Warning::CODES),
        ),
        table(
            "Rules",
            "How a field of a request was made: `note` of each rule in `explain --json`, `show --json` and the API, beside \
             `field` (a JSON pointer into the request), `from` (a JSON pointer into the call, or null) and `rule` (the text).",
            notes,
        ),
    ];
    assert_is_generated("docs/reference/mapping-codes.md", &page.concat());
}
