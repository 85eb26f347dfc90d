//! Order Completed → `Placed Order`, and one `Ordered Product` per product.
//!
//! All of them carry the same person and time. The products' `$event_id`s are made of the order's id and theirs, so
//! that an order that is sent again, with any message id, is the same order with the same products.

use std::collections::BTreeSet;

use serde_json::Value;

use super::draft::{Draft, Properties, time_warning};
use super::event_id::{self, LineIds};
use super::extracted::{Extracted, currency, property};
use super::person::Person;
use super::product::Product;
use super::rule::{Note, Origin, Sourced};
use super::sink::Sink;
use super::warning::Warning;
use super::{Input, Planned};
use crate::config::MappingConfig;
use crate::model::Side;
use crate::segment::{Pointer, find_key};

/// The requests of an Order Completed: the order first.
pub(super) fn plan(
    input: &Input<'_>,
    settings: &MappingConfig,
    person: &Person,
    mut extracted: Extracted,
    mut sink: Sink,
) -> Vec<Planned> {
    let key = event_id::of_event(input, settings, &extracted, "Order Completed", &mut sink);
    // Source: the destination's page, where the products' ids are made of the orderId. Without one, the order's own key
    // is used. Its warnings are dropped: the order has them already.
    let mut warned = sink.another();
    let order_id = event_id::first_id(&extracted.rest, "orderId", &settings.garbage_ids, &mut warned);
    let order_id = order_id.unwrap_or_else(|| key.clone());
    // Everything that is read from the order's properties comes before its products are taken out of them.
    let currency = currency(&extracted.rest, &mut sink);
    let products = take_products(&mut extracted, settings, &mut sink);

    let most = usize::try_from(settings.max_products).unwrap_or(usize::MAX);
    if products.lines.len() > most {
        let products = products.lines.len();
        sink.warn(Warning::TooManyProducts { products, most });
    }
    let order = Order {
        key,
        currency: currency.clone(),
    };
    let order = order.draft(input, settings, extracted, &products, sink);
    let stated = time_warning(input.call);
    let mut planned = vec![order.finish(input, person, stated.as_ref())];
    let mut lines = LineIds::new(products.lines.iter().filter_map(|product| product.id.clone()));
    for product in products.lines.into_iter().take(most) {
        let draft = product.draft(&order_id, currency.clone(), &products.sent, input.side, &mut lines);
        planned.push(draft.finish(input, person, stated.as_ref()));
    }
    planned
}

/// What the order and its products share.
struct Order {
    key: Sourced<String>,
    currency: Option<Sourced<String>>,
}

/// The products of an order.
#[derive(Default)]
struct Products {
    /// The property that they were sent as.
    sent: String,
    lines: Vec<Product>,
}

impl Order {
    fn draft(
        self,
        input: &Input<'_>,
        settings: &MappingConfig,
        extracted: Extracted,
        products: &Products,
        mut sink: Sink,
    ) -> Draft {
        let value = extracted.event_value(&["revenue", "total"], &mut sink);
        let (metric, note) = metric(input, settings);
        let mut properties = Properties::new(sink);
        properties.put_all(extracted.rest, property);
        summarise(&mut properties, products, input.side);
        Draft {
            metric: Sourced {
                value: metric.to_owned(),
                origin: input.explain.then(|| Origin::new(Pointer::of("event"), note)),
            },
            key: Some(self.key),
            value,
            currency: self.currency,
            properties,
            rejected: None,
        }
    }
}

/// The name under which the order goes, and why.
fn metric(input: &Input<'_>, settings: &MappingConfig) -> (&'static str, Note) {
    if input.side == Side::Client {
        ("Order Completed", Note::ClientSideOrder)
    } else if settings.order_completed_as_is {
        ("Order Completed", Note::OrderCompletedAsIs)
    } else {
        ("Placed Order", Note::OrderCompleted)
    }
}

/// Adds what Klaviyo's flows and segments read of an order's products.
fn summarise(properties: &mut Properties, products: &Products, side: Side) {
    let Products { sent, lines: products } = products;
    // Klaviyo would take empty lists for an order without products, so they are left out.
    if products.is_empty() {
        return;
    }
    let origin = |note| move || Origin::new(property(sent), note);
    let mut seen = BTreeSet::new();
    let categories: Vec<Value> = products
        .iter()
        .flat_map(Product::categories)
        .filter(|category| seen.insert(category.to_string()))
        .cloned()
        .collect();
    let names: Vec<Value> = products.iter().filter_map(|product| product.name().cloned()).collect();
    let names_key = match side {
        Side::Server => "Item Names",
        Side::Client => "ItemNames",
    };
    if !categories.is_empty() {
        let origin = origin(Note::ProductCategories);
        properties.put("Categories", Value::Array(categories), origin);
    }
    if !names.is_empty() {
        properties.put(names_key, Value::Array(names), origin(Note::ProductNames));
    }
    let items = products.iter().map(|product| product.item(side)).collect();
    properties.put("Items", Value::Array(items), origin(Note::ProductItems));
}

/// Takes the products out of the order. Facade passes over nulls among them; what else is no object is a warning.
fn take_products(extracted: &mut Extracted, settings: &MappingConfig, sink: &mut Sink) -> Products {
    let Some((sent, value)) = find_key(&extracted.rest, "products") else {
        return Products::default();
    };
    if !value.is_array() {
        if !value.is_null() {
            sink.warn(Warning::ProductsNotArray(property(sent)));
        }
        return Products::default();
    }
    let sent = sent.to_owned();
    let Some(Value::Array(products)) = extracted.rest.shift_remove(&sent) else {
        return Products::default();
    };
    let mut lines = Vec::with_capacity(products.len());
    let mut rubbish = 0;
    for (number, product) in (1..).zip(products) {
        match product {
            Value::Object(fields) => {
                lines.push(Product::read(number, &fields, &settings.garbage_ids, sink.another()));
            }
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => rubbish += 1,
        }
    }
    if rubbish > 0 {
        sink.warn(Warning::ProductsNotObjects(rubbish));
    }
    Products { sent, lines }
}
