//! docs/reference/reasons.md lists the codes as the program declares them, each with what to do.

use std::collections::BTreeSet;

use klaviyo_relay::ingest::Flaw;
use klaviyo_relay::klaviyo;
use klaviyo_relay::mapper::{Note, Rejection, Skip, Warning};
use klaviyo_relay::model::ReasonCode;
use klaviyo_relay::operator::advice;
use klaviyo_relay::outbox::reasons;
use klaviyo_relay::scheduler::policy::Cause;

use super::assert_is_generated;

const HEAD: &str = "# Codes

<!-- This page is generated from the program's own tables by a test: change it there. -->

A code stays the same when its text changes. The views have the code of a `reason` in `reason_code`, `status` and the page
of dead letters group by it, and `--code` (`code=` in the API and on the page) filters by it.

## Reasons

Why an event or a request is in its state. A dead event has the reason of its first rejected request.
";

const KLAVIYO: &str = "
## Klaviyo's answers

An answer that is Klaviyo's and accepts nothing has the code `klaviyo_<status>_<code>_<field>`:

- `<status>`: the HTTP status, such as 400.
- `<code>`: the `code` of Klaviyo's first error, such as `invalid`; `other` where that is no snake case of 40 characters; left
  out where there is none. Klaviyo publishes no list of them.
- `<field>`: what the error's `source.pointer` is about; left out where it is none of ";

/// Where codes are given, in the order of the page.
fn given() -> [(&'static str, &'static [ReasonCode]); 5] {
    [
        ("on arrival: dead", Flaw::CODES),
        ("mapping: skipped", Skip::CODES),
        ("mapping: rejected before it is sent", Rejection::CODES),
        ("delivery", Cause::CODES),
        ("outbox, by a command, a restart or an earlier delivery", reasons::CODES),
    ]
}

/// Each code with where it is given and what it means, in the order of the page.
fn known() -> Vec<(&'static str, String, String)> {
    let mut known: Vec<(&str, String, String)> = Vec::new();
    for (place, codes) in given() {
        for ReasonCode { code, about } in codes {
            match known.iter_mut().find(|(known, _, _)| known == code) {
                Some((_, places, meaning)) => {
                    if !places.contains(place) {
                        places.extend(["; ", place]);
                    }
                    meaning.extend([" ", about]);
                }
                None => known.push((code, place.to_owned(), (*about).to_owned())),
            }
        }
    }
    known
}

fn todo(code: &str) -> &'static str {
    advice(code).unwrap_or_else(|| panic!("no advice for {code}")).todo
}

fn table(title: &str, about: &str, rows: impl Iterator<Item = (&'static str, String)>) -> String {
    let head = format!("\n## {title}\n\n{about}\n\n| code | meaning |\n|---|---|\n");
    rows.fold(head, |page, (code, about)| page + &format!("| `{code}` | {about} |\n"))
}

fn klaviyo() -> String {
    let fields: BTreeSet<&str> = klaviyo::FIELDS.iter().map(|(_, field)| *field).collect();
    let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    let mut page = format!(
        "{KLAVIYO}{}.\n\nThe label `reason` of metrics is shorter: `klaviyo_400`, `klaviyo_404`, `klaviyo_409`, \
        `klaviyo_4xx` for the other 4xx, and `klaviyo_other`.\n\n| code | what to do |\n|---|---|\n",
        fields.join(", ")
    );
    for (shown, code) in [
        ("klaviyo_404_not_found", "klaviyo_404_not_found"),
        ("klaviyo_…_list", "klaviyo_400_invalid_list"),
        ("klaviyo_…_phone_number", "klaviyo_400_invalid_phone_number"),
        ("klaviyo_…_email", "klaviyo_400_invalid_email"),
        ("klaviyo_409_duplicate_profile", "klaviyo_409_duplicate_profile"),
        ("klaviyo_401…, 403, 405, 410, 415", "klaviyo_401"),
        ("klaviyo_4…", "klaviyo_400"),
        ("klaviyo_5…, 408, 425, 429", "klaviyo_503"),
    ] {
        page.extend(["| `", shown, "` | ", todo(code), " |\n"]);
    }
    page
}

#[test]
fn the_page_of_codes_has_each_code_of_the_program_with_what_to_do() {
    let known = known();
    assert!(known.len() >= 60, "only {} codes", known.len());
    let mut reasons = "\n| code | given | meaning | what to do |\n|---|---|---|---|\n".to_owned();
    for (code, place, meaning) in known {
        reasons.extend(["| `", code, "` | ", &place, " | ", &meaning, " | ", todo(code), " |\n"]);
    }
    let notes = Note::ALL
        .iter()
        .map(|note| (note.code(), note.text().replace("{from}", "…")));
    let warnings = Warning::CODES.iter().map(|known| (known.code, known.about.to_owned()));
    let page = [
        HEAD.to_owned(),
        reasons,
        klaviyo(),
        table(
            "Warnings",
            "What the sender may want to know, though the request is sent: the column `warnings`.",
            warnings,
        ),
        table(
            "Rules",
            "How a field of a request was made: `note` of each rule in `explain --json`, `show --json` and the API, beside \
             `field` (a JSON pointer into the request), `from` (a JSON pointer into the call, or null) and `rule` (the text).",
            notes,
        ),
    ];
    assert_is_generated("docs/reference/reasons.md", &page.concat());
}

#[test]
fn a_code_that_the_program_does_not_give_has_no_advice() {
    for code in ["", "teapot", "klaviyo_", "klaviyo_disable", "because"] {
        assert_eq!(advice(code), None, "{code}");
    }
}
