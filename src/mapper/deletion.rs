//! delete → what has Klaviyo delete everybody the call names.
//!
//! Klaviyo takes one identifier for each deletion, and never an external id. So each name of the call becomes a deletion
//! of its own, and an external id is turned into Klaviyo's own id first, by an import that names nobody else: it answers
//! with the profile's id, and changes nothing of a profile that is there.

use super::person::{Named, Person};
use super::reasons::{Refusal, Skip};
use super::standard::ATTRIBUTES;
use super::{Input, Planned, Rule, limits};
use crate::config::MappingConfig;
use crate::klaviyo::{DeletionJob, ProfileImport, Request};

/// Where a deletion's body names the person.
const PROFILE: &str = "/data/attributes/profile/data";

/// The requests of a delete call.
pub(super) fn plan(input: &Input<'_>, settings: &MappingConfig) -> Result<Vec<Planned>, Skip> {
    if !settings.delete_profiles {
        return Err(Skip::NotDeleted);
    }
    let person = Person::of(input, settings)?;
    let mut planned = Vec::new();
    if let Some(id) = &person.external_id {
        planned.extend(by_external_id(id, input));
    }
    let by_name = |name: &Named, field: &str, job| {
        let rule = Rule::member(&format!("{PROFILE}/attributes"), field, &name.rule);
        checked(Request::Delete(job), rule, input)
    };
    if let Some(email) = &person.email {
        let job = DeletionJob::Email(email.value.clone());
        planned.push(by_name(email, "email", job));
    }
    if let Some(phone) = &person.phone {
        let job = DeletionJob::Phone(phone.value.clone());
        planned.push(by_name(phone, "phone_number", job));
    }
    if let Some(refused) = &person.refused {
        // The only name is one that Klaviyo does not know: nothing can be sent, and the operator is to see it.
        planned.push(by_id(Some(refused.clone())));
    }
    if let Some(first) = planned.first_mut() {
        first.warnings.extend(person.warnings);
    }
    Ok(planned)
}

/// The import that tells the profile's id, and the deletion that takes it.
fn by_external_id(id: &Named, input: &Input<'_>) -> [Planned; 2] {
    let profile = ProfileImport {
        external_id: Some(id.value.clone()),
        ..ProfileImport::default()
    };
    let rule = Rule::member(ATTRIBUTES, "external_id", &id.rule);
    let import = checked(Request::Profile(profile), rule, input);
    let refused = import.refused.as_ref().map(|_| Refusal::ProfileRefused);
    [import, by_id(refused)]
}

fn by_id(refused: Option<Refusal>) -> Planned {
    Planned {
        request: Request::Delete(DeletionJob::Imported),
        refused,
        warnings: Vec::new(),
        rules: vec![Rule::member(
            PROFILE,
            "id",
            "the profile's id at Klaviyo, which request 1 is answered with",
        )],
    }
}

fn checked(request: Request, rule: Rule, input: &Input<'_>) -> Planned {
    Planned {
        refused: limits::check(&request, input.received_at),
        request,
        warnings: Vec::new(),
        rules: vec![rule],
    }
}
