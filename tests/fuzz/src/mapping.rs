//! Mapping: a call and the settings become Klaviyo's requests, or the reason why there are none.
//!
//! The input's first line holds the settings, a letter for each ([`Settings::read`]); with `v`, the second line is what
//! the batch has around the call; the rest is the call. `@@` in the call stands for a long text: limits lie beyond the
//! length of an input.
//!
//! Held: the same call is mapped the same way twice; a request that may be sent is valid JSON within every limit that
//! the mapper promises, names its person by nothing but the names in whose order the event waits, and is accepted by
//! the sandbox, which reads Klaviyo's pages by itself. See [`super::requests`].

use klaviyo_relay::config::{IngestConfig, MappingConfig};
use klaviyo_relay::ingest;
use klaviyo_relay::mapper::Mapped;
use klaviyo_relay::model::{GarbageIds, NewEvent, Right, Side, SourceRules, Timestamp};
use klaviyo_relay::scheduler;
use klaviyo_relay::segment::{Call, Envelope};

use super::requests;

/// When each call arrives: 2026-11-23T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_435_200_000);

/// Maps a call.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (letters, rest) = text.split_once('\n').unwrap_or(("", text));
    let settings = Settings::read(letters);
    let (envelope, call) = match rest.split_once('\n') {
        Some((envelope, call)) if letters.contains('v') => (Some(envelope), call),
        Some(_) | None => (None, rest),
    };
    let call = call.replacen("@@", &"x".repeat(settings.long), 4);
    let config = IngestConfig::default();
    let mapping = &settings.mapping;
    let mut event = ingest::preview(&call, &config, &mapping.garbage_ids, NOW);
    if event.dead.is_some() {
        return;
    }
    let around = envelope.and_then(|envelope| Envelope::read(envelope.into()).ok());
    event.envelope = around.as_ref().map(|around| around.text().clone());
    if event.message_id.is_empty() {
        "made-at-ingest".clone_into(&mut event.message_id);
    }
    let names = Call::read(&call, around.as_ref(), event.kind)
        .expect("ingest takes no call that cannot be read")
        .identifiers(&mapping.garbage_ids);
    let mapped = map(&event, &settings);
    assert_eq!(mapped, map(&event, &settings), "{call}");
    match mapped {
        Mapped::Skipped(reason) => assert!(!reason.to_string().is_empty()),
        Mapped::Requests(planned) => requests::check(&planned, &names, NOW),
    }
}

fn map(event: &NewEvent, settings: &Settings) -> Mapped {
    let explained = scheduler::explain(event, &settings.rules, &settings.mapping);
    explained.expect("the call was read before").mapped
}

/// How a call is mapped.
struct Settings {
    mapping: MappingConfig,
    rules: SourceRules,
    /// The length of `@@`.
    long: usize,
}

impl Settings {
    /// Each letter is a setting that differs from its default; others say nothing.
    fn read(letters: &str) -> Self {
        let mut settings = Self {
            mapping: MappingConfig::default(),
            rules: SourceRules::default(),
            long: 130,
        };
        let Self { mapping, rules, long } = &mut settings;
        for letter in letters.chars() {
            match letter {
                'c' => rules.side = Some(Side::Client),
                's' => rules.side = Some(Side::Server),
                'd' => rules.allow.push(Right::Delete),
                'l' => rules.allow.push(Right::List),
                'o' => rules.allow.push(Right::ConfirmOptin),
                't' => rules.allow.push(Right::ConsentAt),
                'E' => mapping.enforce_email = true,
                'F' => mapping.fallback_to_anonymous_id = true,
                'L' => mapping.list_id = Some("Y6nRLr".to_owned()),
                'O' => mapping.confirm_optin = false,
                'A' => mapping.order_completed_as_is = true,
                'D' => mapping.delete_profiles = true,
                'P' => {
                    let lists = [("vip".to_owned(), "VIPvip".to_owned())];
                    mapping.audience_lists = lists.into();
                }
                'I' => mapping.order_id_events = vec!["Paid".to_owned()],
                'G' => mapping.garbage_ids = GarbageIds::new(["u1".to_owned()]),
                '0' => mapping.max_products = 0,
                '1' => mapping.max_products = 1,
                '5' => *long = 260,
                '6' => *long = 30_000,
                '7' => *long = 102_401,
                _ => {}
            }
        }
        settings
    }
}
