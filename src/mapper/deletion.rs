//! delete → the requests that delete every person the call names.
//!
//! Klaviyo takes one identifier for each deletion, and never an external id. So each name of the call becomes a
//! deletion of its own, and an external id is turned into Klaviyo's own id first, by an import with no other name:
//! Klaviyo answers it with the profile's id, and it changes nothing of a profile that exists.

use super::person::{Person, ProfileIdentifier};
use super::reasons::{Rejection, Skip};
use super::rule::{Note, Origin};
use super::sink::Sink;
use super::standard::ATTRIBUTES;
use super::{Input, Planned};
use crate::config::MappingConfig;
use crate::klaviyo::{DeletionJob, ProfileImport, Request};

/// Where a deletion's body names the person.
const PROFILE: &str = "/data/attributes/profile/data";
const NAMES: &str = "/data/attributes/profile/data/attributes";

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
    let by_name = |name: &ProfileIdentifier, field: &str, job| {
        let mut sink = Sink::new(input.explain);
        sink.rule(NAMES, field, sink.origin(|| name.origin()));
        sink.planned(Request::Delete(job), None, input)
    };
    if let Some(email) = &person.email {
        let job = DeletionJob::Email(email.value.clone());
        planned.push(by_name(email, "email", job));
    }
    if let Some(phone) = &person.phone {
        let job = DeletionJob::Phone(phone.value.clone());
        planned.push(by_name(phone, "phone_number", job));
    }
    if let Some(rejected) = &person.rejected {
        // The only name is one that Klaviyo does not take: nothing can be sent, and the rejection shows it.
        planned.push(by_id(Some(rejected.clone()), input));
    }
    if let Some(first) = planned.first_mut() {
        first.warnings.extend(person.warnings);
    }
    Ok(planned)
}

/// The import that is answered with the profile's id, and the deletion that uses it.
fn by_external_id(id: &ProfileIdentifier, input: &Input<'_>) -> [Planned; 2] {
    let profile = ProfileImport {
        external_id: Some(id.value.clone()),
        ..ProfileImport::default()
    };
    let mut sink = Sink::new(input.explain);
    sink.rule(ATTRIBUTES, "external_id", sink.origin(|| id.origin()));
    let import = sink.planned(Request::Profile(profile), None, input);
    let rejected = import.rejected.as_ref().map(|_| Rejection::ProfileRejected);
    [import, by_id(rejected, input)]
}

fn by_id(rejected: Option<Rejection>, input: &Input<'_>) -> Planned {
    let mut sink = Sink::new(input.explain);
    let origin = sink.origin(|| Origin::outside(Note::ImportedProfile));
    sink.rule(PROFILE, "id", origin);
    sink.planned(Request::Delete(DeletionJob::Imported), rejected, input)
}
