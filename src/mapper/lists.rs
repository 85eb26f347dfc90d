//! The lists of a person: the subscription that an identify call asks for, and the lists that follow an audience of
//! Segment Personas.
//!
//! Consent is the careful part. Who cannot be read asking for a list gets none; an unreadable `confirmOptin` asks
//! the person; a Personas call never uses the default list, since nobody would take the person off it again.

use serde_json::Value;

use super::person::{Named, Person};
use super::reasons::Refusal;
use super::{Input, Planned, Rule, limits};
use crate::config::MappingConfig;
use crate::klaviyo::{OptIn, Request, SubscribeJob};
use crate::model::{Right, Side};
use crate::segment::find;

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
    warnings: &mut Vec<String>,
) -> Option<Planned> {
    let list = wanted_list(input, settings, warnings)?;
    let Some(email) = &person.email else {
        let warning = "nobody is subscribed to the list, because the call has no e-mail address";
        warnings.push(warning.to_owned());
        return None;
    };
    let mut own_warnings = Vec::new();
    let (opt_in, opt_in_rule) = opt_in(input, settings, &mut own_warnings);
    let rules = subscription_rules(email, &list, opt_in, &opt_in_rule);
    let request = Request::Subscribe(SubscribeJob {
        list_id: Some(list.id),
        email: email.value.clone(),
        opt_in,
    });
    Some(Planned {
        refused: limits::check(&request, input.received_at),
        request,
        warnings: own_warnings,
        rules,
    })
}

/// A list, and the rule that chose it.
struct List {
    id: String,
    rule: String,
}

/// The list of the call, else the default one. In a browser anybody could subscribe anybody: of the client's side the
/// default one never counts, and the call's own where its source may name one.
fn wanted_list(input: &Input<'_>, settings: &MappingConfig, warnings: &mut Vec<String>) -> Option<List> {
    let options = input.call.klaviyo_options();
    let named: Vec<_> = options.all("listId").collect();
    let place = named.first().map(|(place, _)| place.as_str());
    // The default is no substitute for a list that was named and cannot be read: consent was given to that one.
    if let Some(place) = place.or(options.not_understood()) {
        return own_list(input, &named, place, warnings);
    }
    if input.side == Side::Client || input.call.personas().is_some() {
        return None;
    }
    let id = settings.list_id.as_deref().map(str::trim).filter(|id| !id.is_empty())?;
    Some(List {
        id: id.to_owned(),
        rule: "list_id of [mapping]".to_owned(),
    })
}

/// The list that the call names, of which `place` is the first place that does.
fn own_list(input: &Input<'_>, named: &[(String, &Value)], place: &str, warnings: &mut Vec<String>) -> Option<List> {
    if !input.rights.may(Right::List) {
        warnings.push(format!("`{place}` is for server-side calls: nobody is subscribed"));
        return None;
    }
    let id = |value: &Value| {
        let id = value.as_str().map(str::trim)?;
        (!id.is_empty()).then(|| id.to_owned())
    };
    let usable = named.iter().find_map(|(place, value)| Some((place, id(value)?)));
    let Some((own, id)) = usable else {
        warnings.push(format!(
            "`{place}` is no list id (a text such as \"baV129\"): nobody is subscribed"
        ));
        return None;
    };
    if own != place {
        warnings.push(format!("`{place}` is no list id: `{own}` counts"));
    }
    Some(List { id, rule: own.clone() })
}

/// Whether the person is asked to confirm, and the rule that says so.
fn opt_in(input: &Input<'_>, settings: &MappingConfig, warnings: &mut Vec<String>) -> (OptIn, String) {
    let default = (settings.confirm_optin, "confirm_optin of [mapping]".to_owned());
    let options = input.call.klaviyo_options();
    let (confirm, rule) = match options.all("confirmOptin").next() {
        None => default,
        Some((place, _)) if !input.rights.may(Right::ConfirmOptin) => {
            warnings.push(format!("`{place}` does not count: the source may not say it (`allow`)"));
            default
        }
        Some((place, Value::Bool(confirm))) => (*confirm, place),
        Some((place, _)) => {
            warnings.push(format!(
                "`{place}` is neither true nor false: the person is asked to confirm"
            ));
            (true, format!("{place}, taken as true"))
        }
    };
    if confirm {
        return (OptIn::ByList, rule);
    }
    if !input.rights.may(Right::ConsentAt) {
        return (OptIn::GivenAt(input.received_at), rule);
    }
    // Klaviyo refuses a consent from the future, and a sender's clock can be ahead.
    if input.at > input.received_at {
        let warning = "the call's timestamp is ahead of its arrival: the consent counts from the arrival";
        warnings.push(warning.to_owned());
    }
    (OptIn::GivenAt(input.at.min(input.received_at)), rule)
}

/// The rules of a subscription's fields.
fn subscription_rules(email: &Named, list: &List, opt_in: OptIn, opt_in_rule: &str) -> Vec<Rule> {
    const PERSON: &str = "/data/attributes/profiles/data/0/attributes";
    let marketing = format!("{PERSON}/subscriptions/email/marketing");
    let mut rules = vec![
        Rule::new(format!("{PERSON}/email"), &email.rule),
        Rule::new(format!("{marketing}/consent"), format!("the list, {}", list.rule)),
        Rule::new("/data/relationships/list/data/id", &list.rule),
    ];
    if matches!(opt_in, OptIn::GivenAt(_)) {
        let given = format!("{opt_in_rule} is false");
        rules.push(Rule::new("/data/attributes/historical_import", &given));
        let time = format!("timestamp, since {given}");
        rules.push(Rule::new(format!("{marketing}/consented_at"), time));
    }
    rules
}

/// A list per audience that the settings know: on it while the audience's trait is true, off it when it is false.
fn audiences(input: &Input<'_>, settings: &MappingConfig, profile: &mut Planned) -> Vec<Planned> {
    let mut planned = Vec::new();
    for (audience, list_id) in &settings.audience_lists {
        let stated = input.call.traits_and_place();
        let Some((member, place)) = stated.and_then(|(traits, place)| Some((find(traits, audience)?, place))) else {
            continue;
        };
        let Some(member) = member.as_bool() else {
            profile.warnings.push(format!(
                "`{place}.{audience}` is neither true nor false: the audience's list stays as it is"
            ));
            continue;
        };
        let list_id = list_id.clone();
        let request = if member {
            Request::ListAdd { list_id }
        } else {
            Request::ListRemove { list_id }
        };
        planned.push(Planned {
            request,
            // A list knows Klaviyo's profile ids only: without the profile there is none.
            refused: profile.refused.as_ref().map(|_| Refusal::ProfileRefused),
            warnings: Vec::new(),
            rules: vec![Rule::new(
                "/data/0/id",
                format!("the profile's id at Klaviyo; audience_lists.{audience}, since {place}.{audience} is {member}"),
            )],
        });
    }
    planned
}
