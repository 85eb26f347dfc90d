//! Order Completed → `Placed Order`, and one `Ordered Product` per product.
//!
//! All of them carry the same person and time. The products' `$event_id`s are made of the order's id and theirs, so
//! that an order that is sent again, in whatever message, is the same order with the same products.

use std::collections::BTreeSet;

use serde_json::Value;

use super::draft::{Draft, Properties, Stated};
use super::event_id::{self, EventKey, Lines};
use super::lifted::{Lifted, currency};
use super::person::Person;
use super::product::Product;
use super::{Input, Planned};
use crate::config::MappingConfig;
use crate::model::Side;
use crate::segment::find_key;

/// The requests of an Order Completed: the order first.
pub(super) fn plan(
    input: &Input<'_>,
    settings: &MappingConfig,
    person: &Person,
    mut lifted: Lifted,
    mut warnings: Vec<String>,
) -> Vec<Planned> {
    let key = event_id::of_event(input, settings, &lifted, "Order Completed", &mut warnings);
    // The page: the products' ids are made of the orderId. Without one, what names the order names its products.
    let order_id = event_id::order_id(&lifted.rest, &settings.garbage_ids, &mut Vec::new());
    let order_id = order_id.unwrap_or_else(|| key.clone());
    // Everything that is read from the order's properties comes before its products are taken out of them.
    let currency = currency(&lifted.rest, &mut warnings);
    let products = take_products(&mut lifted, settings, &mut warnings);

    let most = usize::try_from(settings.max_products).unwrap_or(usize::MAX);
    if products.len() > most {
        warnings.push(format!(
            "the order has {} products, of which the first {most} are sent as events of their own (`max_products`): the \
             others are in its `Items` alone",
            products.len()
        ));
    }
    let order = Order {
        key,
        currency: currency.clone(),
    };
    let order = order.draft(input, settings, lifted, &products, warnings);
    let stated = Stated::of(input.call);
    let mut planned = vec![order.finish(input, person, &stated)];
    let mut lines = Lines::new(products.iter().filter_map(|product| product.id.clone()));
    for product in products.into_iter().take(most) {
        let draft = product.draft(&order_id, currency.clone(), input.side, &mut lines);
        planned.push(draft.finish(input, person, &stated));
    }
    planned
}

/// What the order and its products share.
struct Order {
    key: EventKey,
    currency: Option<(String, String)>,
}

impl Order {
    fn draft(
        self,
        input: &Input<'_>,
        settings: &MappingConfig,
        lifted: Lifted,
        products: &[Product],
        mut warnings: Vec<String>,
    ) -> Draft {
        let value = lifted.worth(&["revenue", "total"], &mut warnings);
        let (metric, metric_rule) = metric(input, settings);
        let mut properties = Properties::default();
        properties.put_all(lifted.rest, "properties");
        summarise(&mut properties, products, input.side);
        Draft {
            metric: metric.to_owned(),
            metric_rule: metric_rule.to_owned(),
            key: Some(self.key),
            value,
            currency: self.currency,
            properties,
            refused: None,
            warnings,
        }
    }
}

/// The name under which the order goes, and why.
fn metric(input: &Input<'_>, settings: &MappingConfig) -> (&'static str, &'static str) {
    if input.side == Side::Client {
        ("Order Completed", "event, as the client side always sends it")
    } else if settings.order_completed_as_is {
        ("Order Completed", "event, since order_completed_as_is is on")
    } else {
        ("Placed Order", "event, an Order Completed")
    }
}

/// What Klaviyo's flows and segments read of an order's products.
fn summarise(properties: &mut Properties, products: &[Product], side: Side) {
    // Empty lists would say that the order was of nothing; Klaviyo is told nothing instead.
    if products.is_empty() {
        return;
    }
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
        properties.put("Categories", Value::Array(categories), "properties.products, category");
    }
    if !names.is_empty() {
        properties.put(names_key, Value::Array(names), "properties.products, name");
    }
    let items = products.iter().map(|product| product.item(side)).collect();
    properties.put("Items", Value::Array(items), "properties.products");
}

/// Takes the products out of the order. Facade passes over nulls among them; what else is no object is a warning.
fn take_products(lifted: &mut Lifted, settings: &MappingConfig, warnings: &mut Vec<String>) -> Vec<Product> {
    let Some((sent, value)) = find_key(&lifted.rest, "products") else {
        return Vec::new();
    };
    if !value.is_array() {
        if !value.is_null() {
            let warning = format!("`properties.{sent}` is no array: the order goes without products");
            warnings.push(warning);
        }
        return Vec::new();
    }
    let sent = sent.to_owned();
    let Some(Value::Array(products)) = lifted.rest.shift_remove(&sent) else {
        return Vec::new();
    };
    let mut lines = Vec::with_capacity(products.len());
    let mut rubbish = 0;
    for (number, product) in (1..).zip(products) {
        match product {
            Value::Object(fields) => {
                lines.push(Product::read(number, &fields, &settings.garbage_ids));
            }
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => rubbish += 1,
        }
    }
    if rubbish > 0 {
        warnings.push(format!(
            "{rubbish} of the order's products are no objects: they are not sent"
        ));
    }
    lines
}
