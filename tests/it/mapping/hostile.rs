//! Wrong values everywhere: every place of every case's call is filled with things that do not belong there, and
//! the mapper's promises hold all the same. The values and the random part are seeded: a failure comes again.

use std::collections::BTreeSet;

use klaviyo_relay::config::MappingConfig;
use klaviyo_relay::klaviyo::{DeletionJob, Request};
use klaviyo_relay::mapper::{Input, Mapped, Planned, Rule, map};
use klaviyo_relay::model::{GarbageIds, Identifier, IdentifierKind, Side, SourceRules, Timestamp};
use klaviyo_relay::segment::Call;
use serde_json::{Value, json};

use super::case::Case;

const SEED: u64 = 0x6b6c_6176_6979_6f31;

/// Calls above this size are left to the cases: mutating each of their thousand places shows nothing more.
const LARGEST_CALL: usize = 2000;

fn hostile_values() -> Vec<Value> {
    let text = r#"[null, true, 0, -1, 42, 1e400, 12345678901234567890123, 0.30000000000000000004, "",
        " ", "x", "abc@shop.co", "+15550109999", "null", "$1,2", "\u0000\uD83D\uDE00", [], [null], [[]], {},
        {"": {"": null}}, [3, "x", null, {}, {"id": "p"}, {"id": "p"}],
        {"email": {}, "phone": [], "id": {}, "listId": 7, "confirmOptin": "x", "$event_id": [], "$value": {}}]"#;
    let mut values: Vec<Value> = serde_json::from_str(text).unwrap();
    values.push((0..60).fold(json!(1), |inner, _| json!([inner])));
    values.push(json!("é".repeat(300)));
    values
}

fn settings() -> [MappingConfig; 2] {
    let lists = [("vip_customers".to_owned(), "VIPvip".to_owned())];
    let plain = MappingConfig::default();
    let all = MappingConfig {
        fallback_to_anonymous_id: true,
        list_id: Some("Y6nRLr".to_owned()),
        confirm_optin: false,
        order_completed_as_is: true,
        audience_lists: lists.into_iter().collect(),
        ..MappingConfig::default()
    };
    [plain, all]
}

fn calls() -> Vec<Value> {
    let small = Case::all()
        .into_iter()
        .filter(|case| case.payload.len() <= LARGEST_CALL);
    small
        .filter_map(|case| serde_json::from_str(&case.payload).ok())
        .collect()
}

/// The pointers of every place in a value, its own included.
fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    if let Some(members) = value.as_object() {
        for (name, member) in members {
            places(member, &format!("{pointer}/{}", escaped(name)), found);
        }
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        places(item, &format!("{pointer}/{at}"), found);
    }
}

#[test]
fn any_value_in_any_place_keeps_the_promises() {
    let (values, settings) = (hostile_values(), settings());
    let mut mapped = 0;
    // Calls of one shape, such as ten kinds of revenue, would be broken in the same ways.
    let mut shapes = BTreeSet::new();
    for call in calls() {
        let mut pointers = Vec::new();
        places(&call, "", &mut pointers);
        if !shapes.insert(pointers.clone()) {
            continue;
        }
        for (number, pointer) in pointers.iter().enumerate() {
            for (at, value) in values.iter().enumerate() {
                let mut broken = call.clone();
                *broken.pointer_mut(pointer).unwrap() = value.clone();
                let side = Side::ALL[(number / 2 + at) % 2];
                mapped += usize::from(check(&broken, &settings[(number + at) % 2], side));
            }
        }
    }
    assert!(mapped > 20_000, "only {mapped} calls could be read");
}

#[test]
fn many_wrong_values_at_once_keep_the_promises() {
    let (values, settings, calls) = (hostile_values(), settings(), calls());
    let mut random = Random(SEED);
    let mut mapped = 0;
    for round in 0..5_000 {
        let mut broken = calls[random.below(calls.len())].clone();
        for _ in 0..=random.below(6) {
            let mut pointers = Vec::new();
            places(&broken, "", &mut pointers);
            let pointer = &pointers[1 + random.below(pointers.len() - 1)];
            *broken.pointer_mut(pointer).unwrap() = values[random.below(values.len())].clone();
            if !broken.is_object() || broken.as_object().unwrap().is_empty() {
                break;
            }
        }
        mapped += usize::from(check(&broken, &settings[round % 2], Side::ALL[round / 2 % 2]));
    }
    assert!(mapped > 2_000, "only {mapped} calls could be read");
}

/// Maps a call and holds the result to the promises; false when the call cannot be read at all.
fn check(payload: &Value, settings: &MappingConfig, side: Side) -> bool {
    let Ok(call) = Call::read(&payload.to_string(), None, None) else {
        return false;
    };
    let input = Input {
        call: &call,
        message_id: "m1",
        at: Timestamp::from_millis(1_795_000_000_000),
        received_at: Timestamp::from_millis(1_795_000_001_000),
        side,
        rights: SourceRules::default().rights(side),
        explain: true,
        backfill: false,
    };
    match map(&input, settings) {
        Mapped::Skipped(reason) => assert!(!reason.to_string().is_empty()),
        Mapped::Requests(planned) => {
            assert!(!planned.is_empty(), "no request and no reason: {payload}");
            let names = call.identifiers(&settings.garbage_ids);
            for one in &planned {
                check_request(one, &names, payload);
            }
            check_keys(&planned, payload);
        }
    }
    true
}

/// Every body is JSON; what may be sent names a person, by nothing but the names the call waited for.
fn check_request(planned: &Planned, names: &[Identifier], payload: &Value) {
    use IdentifierKind::{AnonymousId, Email, Phone, UserId};
    // A rejected body may nest one level deeper than this reader reads.
    if let Some(body) = planned.request.body()
        && planned.rejected.is_none()
    {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(body.pointer("/data/attributes").is_some(), "{body}");
    }
    let used: Vec<(IdentifierKind, Option<&str>)> = match &planned.request {
        Request::Profile(profile) => vec![
            (Email, profile.email.text()),
            (Phone, profile.phone_number.text()),
            (UserId, profile.external_id.as_deref()),
        ],
        Request::Event(event) => vec![
            (Email, event.profile.email.as_deref()),
            (Phone, event.profile.phone_number.as_deref()),
            (UserId, event.profile.external_id.as_deref()),
        ],
        Request::Subscribe(job) => vec![(Email, Some(job.email.as_str()))],
        Request::Delete(DeletionJob::Email(email)) => vec![(Email, Some(email.as_str()))],
        Request::Delete(DeletionJob::Phone(phone)) => vec![(Phone, Some(phone.as_str()))],
        Request::Delete(DeletionJob::Imported) | Request::ListAdd { .. } | Request::ListRemove { .. } => return,
    };
    let knows = |kind, name: &str| Identifier::new(kind, name).is_some_and(|id| names.contains(&id));
    let mut count = 0;
    for (kind, name) in used {
        let Some(name) = name else { continue };
        count += 1;
        let anonymous = kind == UserId && knows(AnonymousId, name);
        assert!(knows(kind, name) || anonymous, "{kind} was not waited for: {payload}");
    }
    assert!(count > 0 || planned.rejected.is_some(), "nobody is named: {payload}");
}

/// No two events of one call that may be sent share a metric and an `$event_id`, unless the caller chose it himself.
fn check_keys(planned: &[Planned], payload: &Value) {
    let mut keys = BTreeSet::new();
    for one in planned.iter().filter(|one| one.rejected.is_none()) {
        let Request::Event(event) = &one.request else {
            continue;
        };
        let key = event.unique_id.as_deref().unwrap_or_default();
        let length = key.chars().count();
        assert!((1..=255).contains(&length), "{length} characters: {payload}");
        let own = |rule: &Rule| {
            rule.origin
                .from
                .as_ref()
                .is_some_and(|from| from.json().ends_with("/$event_id"))
        };
        let own = one.rules.iter().any(own);
        let is_new = keys.insert((event.metric.clone(), key.to_owned()));
        assert!(is_new || own, "{key} twice: {payload}");
    }
}

#[test]
fn what_is_on_the_garbage_list_names_nobody_in_any_place() {
    let everything = ["u1", "ann@shop.co", "+15550109999", "a1"].map(str::to_owned);
    let settings = MappingConfig {
        fallback_to_anonymous_id: true,
        garbage_ids: GarbageIds::new(everything),
        ..MappingConfig::default()
    };
    for call in calls() {
        check(&call, &settings, Side::Server);
    }
    let call = json!({"type": "identify", "userId": "u1", "anonymousId": "a1",
        "traits": {"email": "ann@shop.co"}});
    assert!(check(&call, &settings, Side::Client));
}

/// The generator `SplitMix64`: enough chance for a test, the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(limit).unwrap()).unwrap()
    }
}
