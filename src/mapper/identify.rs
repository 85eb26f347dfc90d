//! identify → one `profile-import`, and after it what the person's lists need.

use serde_json::Value;

use super::person::{Person, user_id_as_property};
use super::reasons::Skip;
use super::rule::{Note, Origin};
use super::standard::{ATTRIBUTES, EMAIL, PHONE, Traits};
use super::warning::Warning;
use super::{Input, Planned, lists};
use crate::config::MappingConfig;
use crate::klaviyo::{ProfileImport, Request};

/// The requests of an identify call.
pub(super) fn plan(input: &Input<'_>, settings: &MappingConfig) -> Result<Vec<Planned>, Skip> {
    let person = Person::of(input, settings)?;
    let mut profile = profile(input, &person);
    let after = lists::plan(input, settings, &person, &mut profile);
    let mut planned = vec![profile];
    planned.extend(after);
    Ok(planned)
}

/// The profile: names first, then the side's table, then whatever is left.
fn profile(input: &Input<'_>, person: &Person) -> Planned {
    let mut traits = Traits::of(input);
    traits.sink.warnings.extend(person.warnings.iter().cloned());
    if input.call.traits().is_none() && input.call.field("traits").is_some_and(|t| !t.is_null()) {
        traits.sink.warn(Warning::TraitsNotObject);
    }
    let mut profile = ProfileImport {
        email: traits.identifier(EMAIL, person.email.as_ref()),
        phone_number: traits.identifier(PHONE, person.phone.as_ref()),
        ..ProfileImport::default()
    };
    if let Some(id) = &person.external_id {
        let origin = traits.sink.origin(|| id.origin());
        traits.sink.rule(ATTRIBUTES, "external_id", origin);
        profile.external_id = Some(id.value.clone());
    }
    traits.fill(&mut profile, input.side, input.call.context_timezone());
    custom_properties(&mut traits, &mut profile, person);
    let request = Request::Profile(profile);
    traits.sink.planned(request, person.rejected.clone(), input)
}

/// Every trait that no field took, under the name it was sent with; a `null` deletes the property.
fn custom_properties(traits: &mut Traits, profile: &mut ProfileImport, person: &Person) {
    const PROPERTIES: &str = "/data/attributes/properties";
    const UNSET: &str = "/data/meta/patch_properties/unset";
    if let Some(user_id) = &person.user_id_as_property {
        // Two values for one property: the setting's meaning is that `id` is the userId.
        if traits.rest.shift_remove("id").is_some() {
            let id = traits.pointer(["id"]);
            traits.sink.warn(Warning::TraitIdReplaced(id));
        }
        let origin = traits.sink.origin(user_id_as_property);
        traits.sink.rule(PROPERTIES, "id", origin);
        let user_id = Value::String(user_id.clone());
        profile.properties.insert("id".to_owned(), user_id);
    }
    for (name, value) in std::mem::take(&mut traits.rest) {
        let noted = |note| traits.sink.origin(|| Origin::new(traits.pointer([&name]), note));
        if value.is_null() {
            // Klaviyo documents `unset` for this; what a null property does is not established.
            if let Some(origin) = noted(Note::NullDeletes) {
                let at = profile.unset.len().to_string();
                traits.sink.rule(UNSET, &at, Some(origin));
            }
            profile.unset.push(name);
        } else {
            let origin = noted(Note::AsSent);
            traits.sink.property(PROPERTIES, &name, origin);
            profile.properties.insert(name, value);
        }
    }
}
