//! The lists of a person: the subscription that an identify call requests, and the lists that follow an audience of
//! Segment Personas.
//!
//! Consent is the careful part. A list that cannot be read subscribes nobody. With an unreadable `confirmOptin` the
//! person is asked to confirm. A Personas call never uses the default list, since nothing would take the person off it.

use serde_json::Value;

use super::draft::time_origin;
use super::person::Person;
use super::reasons::Rejection;
use super::rule::{Note, Origin};
use super::sink::Sink;
use super::warning::Warning;
use super::{Input, Planned};
use crate::config::MappingConfig;
use crate::klaviyo::{OptIn, Request, SubscribeJob};
use crate::model::{Right, Side, Timestamp};
use crate::segment::{Pointer, find_key};

/// What follows the profile of an identify call, in order. Warnings about lists that are not used go to the profile.
pub(super) fn plan(
    input: &Input<'_>,
    settings: &MappingConfig,
    person: &Person,
    profile: &mut Planned,
) -> Vec<Planned> {
    let subscription = subscription(input, settings, person, &mut profile.warnings);
    let mut planned: Vec<Planned> = subscription.into_iter().collect();
    if input.call.personas().is_some() {
        planned.extend(audiences(input, settings, profile));
    }
    planned
}

/// The subscription to the call's list or the default one, when there is a list and an e-mail.
fn subscription(
    input: &Input<'_>,
    settings: &MappingConfig,
    person: &Person,
    warnings: &mut Vec<Warning>,
) -> Option<Planned> {
    let list = wanted_list(input, settings, warnings)?;
    let Some(email) = &person.email else {
        warnings.push(Warning::ListWithoutEmail);
        return None;
    };
    let mut sink = Sink::new(input.explain);
    let (opt_in, opt_in_place) = opt_in(input, settings, &mut sink);
    sink.rule(NAMES, "email", sink.origin(|| email.origin()));
    list.rules(&mut sink);
    if let OptIn::GivenAt(time) = opt_in {
        consent_rules(input, time, opt_in_place, &mut sink);
    }
    let request = Request::Subscribe(SubscribeJob {
        list_id: Some(list.id),
        email: email.value.clone(),
        opt_in,
    });
    Some(sink.planned(request, None, input))
}

/// Where a subscription has the person's names, and where it has the consent.
const NAMES: &str = "/data/attributes/profiles/data/0/attributes";
const MARKETING: &str = "/data/attributes/profiles/data/0/attributes/subscriptions/email/marketing";

/// A list, and where the call names it; `None` of the default list.
struct WantedList {
    id: String,
    place: Option<Pointer>,
}

impl WantedList {
    /// The rules of the consent and of the list.
    fn rules(&self, sink: &mut Sink) {
        let origin = |sink: &Sink, of_call, of_settings| {
            sink.origin(|| match &self.place {
                Some(place) => Origin::new(place.clone(), of_call),
                None => Origin::outside(of_settings),
            })
        };
        let consent = origin(sink, Note::ListOfCall, Note::ListOfSettings);
        sink.rule(MARKETING, "consent", consent);
        let list = origin(sink, Note::AsSent, Note::ListId);
        sink.rule("/data/relationships/list/data", "id", list);
    }
}

/// The rules of a consent that was given at this time. `place` is where the call turns the confirmation off.
fn consent_rules(input: &Input<'_>, time: Timestamp, place: Option<Pointer>, sink: &mut Sink) {
    let origin = sink.origin(|| match place {
        Some(place) => Origin::new(place, Note::OptInOff),
        None => Origin::outside(Note::OptInOffBySettings),
    });
    sink.rule("/data/attributes", "historical_import", origin);
    let origin = sink.origin(|| {
        if time == input.at {
            time_origin(input.call)
        } else {
            Origin::outside(Note::ArrivalTime)
        }
    });
    sink.rule(MARKETING, "consented_at", origin);
}

/// The list of the call, else the default one. A browser's write key is public, so with it any address could be
/// subscribed: calls of the client side never use the default list, and their own only where the source may name one.
fn wanted_list(input: &Input<'_>, settings: &MappingConfig, warnings: &mut Vec<Warning>) -> Option<WantedList> {
    let options = input.call.klaviyo_options();
    let named: Vec<_> = options.all("listId").collect();
    let place = named.first().map(|(place, _)| place);
    // The default is no substitute for a list that was named and cannot be read: consent was given to that one.
    if let Some(place) = place.or(options.unreadable_list()) {
        return own_list(input, &named, place, warnings);
    }
    if input.side == Side::Client || input.call.personas().is_some() {
        return None;
    }
    let id = settings.list_id.as_deref().map(str::trim).filter(|id| !id.is_empty())?;
    Some(WantedList {
        id: id.to_owned(),
        place: None,
    })
}

/// The list that the call names, of which `place` is the first place that does.
fn own_list(
    input: &Input<'_>,
    named: &[(Pointer, &Value)],
    place: &Pointer,
    warnings: &mut Vec<Warning>,
) -> Option<WantedList> {
    let place = place.clone();
    if !input.rights.may(Right::List) {
        warnings.push(Warning::ListNotAllowed(place));
        return None;
    }
    let id = |value: &Value| {
        let id = value.as_str().map(str::trim)?;
        (!id.is_empty()).then(|| id.to_owned())
    };
    let usable = named.iter().find_map(|(place, value)| Some((place, id(value)?)));
    let Some((own, id)) = usable else {
        warnings.push(Warning::NotAListId(place));
        return None;
    };
    if *own != place {
        let used = own.clone();
        warnings.push(Warning::OtherListId { place, used });
    }
    let place = Some(own.clone());
    Some(WantedList { id, place })
}

/// Whether the person is asked to confirm, and where the call states it.
fn opt_in(input: &Input<'_>, settings: &MappingConfig, sink: &mut Sink) -> (OptIn, Option<Pointer>) {
    let default = (settings.confirm_optin, None);
    let options = input.call.klaviyo_options();
    let (confirm, place) = match options.all("confirmOptin").next() {
        None => default,
        Some((place, _)) if !input.rights.may(Right::ConfirmOptin) => {
            sink.warn(Warning::OptInNotAllowed(place));
            default
        }
        Some((place, Value::Bool(confirm))) => (*confirm, Some(place)),
        Some((place, _)) => {
            sink.warn(Warning::OptInNotReadable(place));
            (true, None)
        }
    };
    if confirm {
        return (OptIn::ByList, place);
    }
    if !input.rights.may(Right::ConsentAt) {
        return (OptIn::GivenAt(input.received_at), place);
    }
    // Klaviyo refuses a consent from the future, and a sender's clock can be ahead.
    if input.at > input.received_at {
        sink.warn(Warning::ConsentAhead);
    }
    (OptIn::GivenAt(input.at.min(input.received_at)), place)
}

/// A list per audience that the settings know: on it while the audience's trait is true, off it when it is false.
fn audiences(input: &Input<'_>, settings: &MappingConfig, profile: &mut Planned) -> Vec<Planned> {
    let mut planned = Vec::new();
    for (audience, list_id) in &settings.audience_lists {
        let stated = input.call.traits_and_place();
        let Some((found, place)) = stated.and_then(|(traits, place)| Some((find_key(traits, audience)?, place))) else {
            continue;
        };
        let (sent, member) = found;
        let Some(member) = member.as_bool() else {
            let place = Pointer::path(place).name(audience);
            profile.warnings.push(Warning::AudienceNotReadable(place));
            continue;
        };
        let list_id = list_id.clone();
        let request = if member {
            Request::ListAdd { list_id }
        } else {
            Request::ListRemove { list_id }
        };
        let note = if member { Note::InAudience } else { Note::NotInAudience };
        let mut sink = Sink::new(input.explain);
        let origin = sink.origin(|| Origin::new(Pointer::path(place).name(sent), note));
        sink.rule("/data/0", "id", origin);
        // A list knows Klaviyo's profile ids only: without the profile there is none.
        let rejected = profile.rejected.as_ref().map(|_| Rejection::ProfileRejected);
        planned.push(sink.planned(request, rejected, input));
    }
    planned
}
