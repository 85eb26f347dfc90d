//! identify → one `profile-import`, and after it what the person's lists need.

use serde_json::Value;

use super::person::{Person, USER_ID_AS_PROPERTY};
use super::reasons::Skip;
use super::standard::{ATTRIBUTES, EMAIL, PHONE, Traits};
use super::{Input, Planned, Rule, limits, lists};
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
    let mut traits = Traits::of(input.call);
    traits.warnings.extend(person.warnings.iter().cloned());
    if input.call.traits().is_none() && input.call.field("traits").is_some_and(|t| !t.is_null()) {
        let warning = "`traits` is no object: nothing of it is sent";
        traits.warnings.push(warning.to_owned());
    }
    let mut profile = ProfileImport {
        email: traits.identifier(EMAIL, person.email.as_ref()),
        phone_number: traits.identifier(PHONE, person.phone.as_ref()),
        ..ProfileImport::default()
    };
    if let Some(id) = &person.external_id {
        let field = format!("{ATTRIBUTES}/external_id");
        traits.rules.push(Rule::new(field, &id.rule));
        profile.external_id = Some(id.value.clone());
    }
    traits.fill(&mut profile, input.side, input.call.context_timezone());
    custom_properties(&mut traits, &mut profile, person);
    let request = Request::Profile(profile);
    Planned {
        refused: person
            .refused
            .clone()
            .or_else(|| limits::check(&request, input.received_at)),
        request,
        warnings: traits.warnings,
        rules: traits.rules,
    }
}

/// Every trait that no field took, under the name it was sent with; a `null` deletes the property.
fn custom_properties(traits: &mut Traits, profile: &mut ProfileImport, person: &Person) {
    let parent = format!("{ATTRIBUTES}/properties");
    if let Some(user_id) = &person.user_id_as_property {
        // Two values for one property: the setting's meaning is that `id` is the userId.
        if traits.rest.shift_remove("id").is_some() {
            traits.warnings.push(format!(
                "`{}` gives way to the userId, which enforce_email sends as the property `id`",
                traits.path("id")
            ));
        }
        let rule = Rule::member(&parent, "id", USER_ID_AS_PROPERTY);
        traits.rules.push(rule);
        let user_id = Value::String(user_id.clone());
        profile.properties.insert("id".to_owned(), user_id);
    }
    for (name, value) in std::mem::take(&mut traits.rest) {
        let rule = traits.path(&name);
        if value.is_null() {
            // Klaviyo documents `unset` for this; what a null property does is not established.
            let field = format!("/data/meta/patch_properties/unset/{}", profile.unset.len());
            let rule = format!("{rule} is null, which deletes the property");
            traits.rules.push(Rule::new(field, rule));
            profile.unset.push(name);
        } else {
            traits.rules.push(Rule::member(&parent, &name, rule));
            profile.properties.insert(name, value);
        }
    }
}
