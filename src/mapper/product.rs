//! One product of an order: its line within the order's `Items`, and its own `Ordered Product` event.
//!
//! The fields that Klaviyo knows go under Klaviyo's names, all others as they were sent.

use serde_json::{Map, Number, Value};

use super::decimal::Decimal;
use super::draft::{Draft, Lifted, Properties, number};
use super::event_id::{EventKey, Lines};
use super::reasons::Refusal;
use crate::model::GarbageIds;
use crate::segment::{find_key, text};

/// A product as the order sent it.
pub(super) struct Product {
    /// Its place in the order, from 1.
    line: usize,
    /// `productId`, else `id`, else `sku`.
    pub(super) id: Option<String>,
    /// Its name, as sent.
    pub(super) name: Option<Value>,
    /// What goes as `ProductID`: `productId`, else `id`. A `sku` has a name of its own.
    own_id: Option<Value>,
    sku: Option<Value>,
    /// Always a list.
    categories: Option<Value>,
    url: Option<Value>,
    image_url: Option<Value>,
    /// A number, or what the sender took for one.
    quantity: Value,
    /// Of one piece.
    price: Option<Number>,
    /// Price × quantity, exactly.
    row_total: Option<Number>,
    /// The name under which the price was sent.
    price_key: Option<String>,
    /// The sender's own `$event_id` for this product: it wins over one that is made.
    own_event_id: Option<String>,
    /// The sender's own `$value`: it wins over price × quantity.
    own_value: Option<Number>,
    /// Every other field.
    rest: Map<String, Value>,
    warnings: Vec<String>,
}

impl Product {
    /// Reads the fields of the product on this line of the order.
    pub(super) fn read(line: usize, fields: &Map<String, Value>, garbage: &GarbageIds) -> Self {
        // The id is looked up before anything is taken: the order of its three names is not that of the fields.
        let mut warnings = Vec::new();
        let place = format!("properties.products[{}]", line - 1);
        let lifted = Lifted::of(fields, &place, garbage, &mut warnings);
        let mut rest = lifted.rest;
        let id = ["productId", "id", "sku"]
            .iter()
            .find_map(|name| find_key(&rest, name).and_then(|(_, value)| text(value)));
        let quantity = quantity(&mut rest, &place, &mut warnings);
        let (price_key, price) = price(&rest, &place, &mut warnings).unzip();
        let row_total = row_total(price.as_ref(), &quantity, &place, &mut warnings);
        Self {
            line,
            id,
            own_id: take(&mut rest, &["productId", "id"]),
            sku: take(&mut rest, &["sku"]),
            name: take(&mut rest, &["name"]),
            categories: categories(&mut rest),
            url: take(&mut rest, &["productUrl", "url"]),
            image_url: take(&mut rest, &["imageUrl"]),
            quantity,
            price,
            row_total,
            price_key,
            own_event_id: lifted.event_id,
            own_value: lifted.value,
            rest,
            warnings,
        }
    }

    /// Its categories, one by one.
    pub(super) fn categories(&self) -> impl Iterator<Item = &Value> {
        self.categories.iter().filter_map(Value::as_array).flatten()
    }

    /// Its line in the order's `Items`.
    pub(super) fn item(&self) -> Value {
        let mut item = Map::new();
        let price = self.price.clone().map(Value::Number);
        let row_total = self.row_total.clone().map(Value::Number);
        for (name, value) in [
            ("ProductID", self.own_id.clone()),
            ("SKU", self.sku.clone()),
            ("Name", self.name.clone()),
            ("Quantity", Some(self.quantity.clone())),
            ("Item Price", price),
            ("Row Total", row_total),
            ("Categories", self.categories.clone()),
            ("Product URL", self.url.clone()),
            ("Image URL", self.image_url.clone()),
        ] {
            item.extend(value.map(|value| (name.to_owned(), value)));
        }
        for (name, value) in &self.rest {
            // Its price is there, as `Item Price`; its own fields of Klaviyo's names go before what was computed.
            if self.price_key.as_ref() != Some(name) {
                item.insert(name.clone(), value.clone());
            }
        }
        Value::Object(item)
    }

    /// Its own event, whose `$event_id` is made of what names the order and what names the product.
    pub(super) fn draft(
        mut self,
        order: &EventKey,
        currency: Option<(String, String)>,
        lines: &mut Lines,
    ) -> Draft {
        let place = format!("properties.products[{}]", self.line - 1);
        // Without an id there is nothing that stays the same when the order is sent again.
        let key = match (&self.own_event_id, &self.id) {
            (Some(own), _) => Some(EventKey {
                text: own.clone(),
                rule: format!("{place}.$event_id"),
            }),
            (None, Some(id)) => Some(EventKey {
                text: format!("{}_{}", order.text, lines.name(id)),
                rule: format!("{}, and the productId, id or sku of {place}", order.rule),
            }),
            (None, None) => None,
        };
        let own_value = self
            .own_value
            .clone()
            .map(|own| (own, format!("{place}.$value")));
        let row_total = self.row_total.clone();
        let value =
            own_value.or_else(|| Some((row_total?, format!("price × quantity of {place}"))));
        Draft {
            metric: "Ordered Product".to_owned(),
            metric_rule: format!("{place} of an Order Completed"),
            refused: key
                .is_none()
                .then_some(Refusal::ProductWithoutId(self.line)),
            key,
            value,
            currency,
            warnings: std::mem::take(&mut self.warnings),
            properties: self.properties(&place),
        }
    }

    fn properties(self, place: &str) -> Properties {
        let mut properties = Properties::default();
        let Self {
            rest,
            name,
            own_id,
            sku,
            categories,
            url,
            image_url,
            quantity,
            ..
        } = self;
        // The sender's own fields first: what carries a name of Klaviyo's already is not computed over.
        properties.put_all(rest, place);
        for (known, value, field) in [
            ("ProductID", own_id, "productId or id"),
            ("SKU", sku, "sku"),
            ("Name", name, "name"),
            ("Quantity", Some(quantity), "quantity, 1 when absent"),
            ("Product Categories", categories, "category"),
            ("Product URL", url, "productUrl or url"),
            ("Image URL", image_url, "imageUrl"),
        ] {
            if let Some(value) = value {
                properties.put(known, value, format!("{place}, {field}"));
            }
        }
        properties
    }
}

/// Takes the first of these fields that holds something.
fn take(rest: &mut Map<String, Value>, names: &[&str]) -> Option<Value> {
    let empty = |value: &Value| {
        value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
    };
    let sent = names.iter().find_map(|name| {
        let (sent, _) = find_key(rest, name).filter(|(_, value)| !empty(value))?;
        Some(sent.to_owned())
    })?;
    rest.shift_remove(&sent)
}

/// `category` or `categories`, always as a list.
fn categories(rest: &mut Map<String, Value>) -> Option<Value> {
    let listable = |value: &Value| value.is_array() || text(value).is_some();
    let sent = ["category", "categories"].iter().find_map(|name| {
        let (sent, _) = find_key(rest, name).filter(|(_, value)| listable(value))?;
        Some(sent.to_owned())
    })?;
    let value = rest.shift_remove(&sent)?;
    Some(if value.is_array() {
        value
    } else {
        Value::Array(vec![value])
    })
}

/// The quantity as a number; 1 when it is absent. What is no number stays as it was sent.
fn quantity(rest: &mut Map<String, Value>, place: &str, warnings: &mut Vec<String>) -> Value {
    let sent = find_key(rest, "quantity").map(|(sent, _)| sent.to_owned());
    let value = sent.and_then(|sent| rest.shift_remove(&sent));
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Value::from(1);
    };
    if let Some(number) = number(&value) {
        return Value::Number(number);
    }
    let warning = format!("`{place}.quantity` is no number: the product goes without a value");
    warnings.push(warning);
    value
}

/// The price with the name it was sent under.
fn price(
    rest: &Map<String, Value>,
    place: &str,
    warnings: &mut Vec<String>,
) -> Option<(String, Number)> {
    let (sent, value) = find_key(rest, "price").filter(|(_, value)| !value.is_null())?;
    let number = number(value);
    if number.is_none() {
        warnings.push(format!(
            "`{place}.{sent}` is no number: the product goes without a value"
        ));
    }
    Some((sent.to_owned(), number?))
}

fn row_total(
    price: Option<&Number>,
    quantity: &Value,
    place: &str,
    warnings: &mut Vec<String>,
) -> Option<Number> {
    number(quantity)?;
    // A quantity that is no number has had its warning.
    let price = Value::Number(price?.clone());
    let total = Decimal::read(&price)
        .zip(Decimal::read(quantity))
        .and_then(|(price, quantity)| price.times(quantity)?.number());
    if total.is_none() {
        warnings.push(format!(
            "price × quantity of `{place}` has too many digits: the product goes without a value"
        ));
    }
    total
}
