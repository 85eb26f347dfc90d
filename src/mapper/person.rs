//! The person a call is about, in the names that Klaviyo knows: external id, e-mail, phone.

use serde_json::{Map, Value};

use super::Input;
use super::reasons::{Rejection, Skip};
use super::rule::{Note, Origin};
use super::sink::Sink;
use super::warning::Warning;
use crate::config::MappingConfig;
use crate::klaviyo::limits::MAX_EXTERNAL_ID_CHARS;
use crate::klaviyo::{EventProfile, is_test_address};
use crate::model::{Identifier, IdentifierKind, e164};
use crate::segment::{Contact, ContactPlace, Pointer};

/// The origin of the custom property `id`. Source: the destination's page, "Enforce email as primary identifier", which
/// is about identify and track calls.
pub(super) fn user_id_as_property() -> Origin {
    Origin::new(Pointer::of("userId"), Note::EnforceEmail)
}

/// A person, named by at least one identifier or else rejected.
#[derive(Debug)]
pub(super) struct Person {
    /// Klaviyo's `external_id`.
    pub(super) external_id: Option<ProfileIdentifier>,
    /// The e-mail address.
    pub(super) email: Option<ProfileIdentifier>,
    /// The phone number in E.164.
    pub(super) phone: Option<ProfileIdentifier>,
    /// The `userId` that `enforce_email` keeps out of `external_id`.
    pub(super) user_id_as_property: Option<String>,
    /// Why no request may name this person.
    pub(super) rejected: Option<Rejection>,
    /// What the sender may want to know about the names.
    pub(super) warnings: Vec<Warning>,
}

/// One name, the place in the call that gave it, and how it was made of that.
#[derive(Debug)]
pub(super) struct ProfileIdentifier {
    pub(super) value: String,
    /// `None` of an anonymous id.
    pub(super) place: Option<ContactPlace>,
    note: Note,
}

impl Person {
    /// The person a call is about, or why nothing can be sent for it.
    pub(super) fn of(input: &Input<'_>, settings: &MappingConfig) -> Result<Self, Skip> {
        let garbage = &settings.garbage_ids;
        let user_id = input.call.user_id(garbage);
        let too_long = user_id.as_ref().map(|id| id.chars().count());
        let too_long = too_long.filter(|chars| *chars > MAX_EXTERNAL_ID_CHARS);
        let mut person = Self {
            external_id: None,
            email: email(input, settings),
            phone: phone(input, settings),
            user_id_as_property: None,
            rejected: None,
            warnings: Vec::new(),
        };
        if settings.enforce_email {
            // Not even a phone will do: the setting's purpose is one profile per e-mail.
            if person.email.is_none() {
                return Err(Skip::NoEmail);
            }
            person.user_id_as_property = user_id;
        } else if let Some(chars) = too_long {
            // Another name is enough; a name that Klaviyo refuses would cost the request.
            if person.email.is_none() && person.phone.is_none() {
                person.rejected = Some(Rejection::UserIdTooLong(chars));
            }
            person.warnings.push(Warning::UserIdTooLong(chars));
        } else if let Some(id) = user_id {
            person.external_id = Some(ProfileIdentifier::new(id, ContactPlace::UserId, Note::AsSent));
        } else if person.email.is_none() && person.phone.is_none() {
            person.use_anonymous_id_or_reject(input, settings)?;
        }
        person.warn_of_unusable_contacts(input, settings);
        Ok(person)
    }

    /// The names for an event's profile, with their rules.
    pub(super) fn event_profile(&self, sink: &mut Sink) -> EventProfile {
        const NAMES: &str = "/data/attributes/profile/data/attributes";
        const PROPERTIES: &str = "/data/attributes/profile/data/attributes/properties";
        let mut take = |name: &Option<ProfileIdentifier>, field: &str| {
            let name = name.as_ref()?;
            let origin = sink.origin(|| name.origin());
            sink.rule(NAMES, field, origin);
            Some(name.value.clone())
        };
        let mut profile = EventProfile {
            email: take(&self.email, "email"),
            phone_number: take(&self.phone, "phone_number"),
            external_id: take(&self.external_id, "external_id"),
            properties: Map::new(),
        };
        if let Some(id) = &self.user_id_as_property {
            let origin = sink.origin(user_id_as_property);
            sink.rule(PROPERTIES, "id", origin);
            let id = Value::String(id.clone());
            profile.properties.insert("id".to_owned(), id);
        }
        profile
    }

    /// No user id, e-mail or phone: the anonymous id may stand in; a broken e-mail or phone is the sender's mistake
    /// and is rejected, so that it can be fixed and replayed; anything else is nobody.
    fn use_anonymous_id_or_reject(&mut self, input: &Input<'_>, settings: &MappingConfig) -> Result<(), Skip> {
        let anonymous_id = input.call.anonymous_id(&settings.garbage_ids);
        if let Some(id) = &anonymous_id
            && settings.fallback_to_anonymous_id
        {
            self.external_id = Some(ProfileIdentifier {
                value: id.clone(),
                place: None,
                note: Note::AnonymousId,
            });
            return Ok(());
        }
        // A phone that is here could not be used, or the person would have a name.
        let place = |contact: Contact| contact.place.pointer();
        let garbage = &settings.garbage_ids;
        let meant = |stated: Vec<Contact>| {
            let mut stated = stated.into_iter();
            stated.find(|contact| !garbage.contains(&contact.value))
        };
        if let Some(phone) = meant(input.call.stated_phones()) {
            self.rejected = Some(Rejection::PhoneAlone(place(phone)));
        } else if let Some(email) = meant(input.call.stated_emails()) {
            self.rejected = Some(Rejection::EmailAlone(place(email)));
        } else if anonymous_id.is_some() {
            return Err(Skip::Anonymous);
        } else {
            return Err(Skip::Nobody);
        }
        Ok(())
    }

    fn warn_of_unusable_contacts(&mut self, input: &Input<'_>, settings: &MappingConfig) {
        let garbage = &settings.garbage_ids;
        let not_an_email: fn(Pointer) -> Warning = Warning::NotAnEmail;
        let kinds = [
            (&self.email, input.call.stated_emails(), not_an_email),
            (&self.phone, input.call.stated_phones(), Warning::NotAPhone),
        ];
        for (used, stated, otherwise) in kinds {
            let passed_over = stated.iter().take_while(|stated| !is_used(used.as_ref(), stated));
            self.warnings.extend(passed_over.map(|stated| {
                let why = if garbage.contains(&stated.value) {
                    Warning::GarbageContact
                } else {
                    otherwise
                };
                why(stated.place.pointer())
            }));
        }
        self.warnings.dedup();
        if let Some(email) = &self.email
            && is_test_address(&email.value)
        {
            self.warnings.push(Warning::TestAddress);
        }
    }
}

/// Whether this is what the person is named by: a name's value is the stated one but for its separators.
fn is_used(used: Option<&ProfileIdentifier>, stated: &Contact) -> bool {
    used.is_some_and(|used| {
        let number = || e164(&stated.value);
        used.place.as_ref() == Some(&stated.place)
            && (used.value == stated.value || number().as_ref() == Some(&used.value))
    })
}

impl ProfileIdentifier {
    const fn new(value: String, place: ContactPlace, note: Note) -> Self {
        Self {
            value,
            place: Some(place),
            note,
        }
    }

    /// Where it comes from.
    pub(super) fn origin(&self) -> Origin {
        let place = self.place.as_ref().map(ContactPlace::pointer);
        Origin::new(place.unwrap_or_else(|| Pointer::of("anonymousId")), self.note)
    }
}

/// The e-mail address.
fn email(input: &Input<'_>, settings: &MappingConfig) -> Option<ProfileIdentifier> {
    let Contact { value, place } = input.call.email_contact(&settings.garbage_ids)?;
    if !is_queue_identifier(input, settings, IdentifierKind::Email, &value) {
        return None;
    }
    let note = match place {
        ContactPlace::UserId => Note::UserIdIsEmail,
        ContactPlace::Traits(_) | ContactPlace::ContextTraits(_) | ContactPlace::Properties(_) => Note::AsSent,
    };
    Some(ProfileIdentifier::new(value, place, note))
}

/// The phone in E.164. The queue of the call is that of the number as it was sent.
fn phone(input: &Input<'_>, settings: &MappingConfig) -> Option<ProfileIdentifier> {
    let Contact { value, place } = input.call.phone_contact(&settings.garbage_ids)?;
    let number = e164(&value)?;
    if !is_queue_identifier(input, settings, IdentifierKind::Phone, &value) {
        return None;
    }
    let note = if number == value {
        Note::AsSent
    } else {
        Note::SeparatorsRemoved
    };
    Some(ProfileIdentifier::new(number, place, note))
}

/// Whether the call stood in this name's order. (A name can be on the garbage list.)
fn is_queue_identifier(input: &Input<'_>, settings: &MappingConfig, kind: IdentifierKind, value: &str) -> bool {
    let names = input.call.identifiers(&settings.garbage_ids);
    Identifier::new(kind, value).is_some_and(|name| names.contains(&name))
}
