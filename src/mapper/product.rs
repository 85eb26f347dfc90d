//! One product of an order: its line within the order's `Items`, and its own `Ordered Product` event.
//!
//! The fields that Klaviyo knows go under Klaviyo's names, all others as they were sent.

use serde_json::{Map, Number, Value};

use super::decimal::Decimal;
use super::draft::{Draft, Properties};
use super::event_id::{EventKey, Lines};
use super::lifted::{Lifted, number};
use super::reasons::Refusal;
use crate::model::{GarbageIds, Side};
use crate::segment::{find_all, text};

/// A product as the order sent it.
pub(super) struct Product {
    /// Its place in the order, from 1.
    line: usize,
    /// `productId`, else `id`, else `sku`.
    pub(super) id: Option<String>,
    /// Its name, as sent.
    name: Option<Taken>,
    /// What goes as `ProductID`: `productId`, else `id`. A `sku` has a name of its own.
    own_id: Option<Taken>,
    sku: Option<Taken>,
    /// Always a list.
    categories: Option<Taken>,
    url: Option<Taken>,
    image_url: Option<Taken>,
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

/// A field that goes under a name of Klaviyo's, and the name that it was sent under.
#[derive(Clone)]
struct Taken {
    sent: String,
    value: Value,
}

/// The names that Klaviyo knows a product's fields by. Source: Segment's destination, whose browser code
/// (analytics.js-integration-klaviyo) has names of its own.
struct Names {
    item_id: &'static str,
    item_price: &'static str,
    row_total: &'static str,
    product_categories: &'static str,
    url: &'static str,
    image_url: &'static str,
}

impl Names {
    const fn of(side: Side) -> Self {
        match side {
            Side::Server => Self {
                item_id: "ProductID",
                item_price: "Item Price",
                row_total: "Row Total",
                product_categories: "Product Categories",
                url: "Product URL",
                image_url: "Image URL",
            },
            Side::Client => Self {
                item_id: "id",
                item_price: "ItemPrice",
                row_total: "RowTotal",
                product_categories: "ProductCategories",
                url: "ProductURL",
                image_url: "ImageURL",
            },
        }
    }
}

impl Product {
    /// Reads the fields of the product on this line of the order.
    pub(super) fn read(line: usize, fields: &Map<String, Value>, garbage: &GarbageIds) -> Self {
        // The id is looked up before anything is taken: the order of its three names is not that of the fields.
        let mut warnings = Vec::new();
        let place = format!("properties.products[{}]", line - 1);
        let lifted = Lifted::of(fields, &place, garbage, &mut warnings);
        let mut rest = lifted.rest;
        let id = id(&rest, &place, garbage, &mut warnings);
        let quantity = quantity(&mut rest, &place, &mut warnings);
        let (price_key, price) = price(&rest, &place, &mut warnings).unzip();
        let row_total = row_total(price.as_ref(), &quantity, &place, &mut warnings);
        Self {
            line,
            id,
            own_id: take_id(&mut rest, &["productId", "id"], garbage),
            sku: take_id(&mut rest, &["sku"], garbage),
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

    /// Its name.
    pub(super) fn name(&self) -> Option<&Value> {
        self.name.as_ref().map(|name| &name.value)
    }

    /// Its categories, one by one.
    pub(super) fn categories(&self) -> impl Iterator<Item = &Value> {
        let categories = self.categories.iter();
        categories.filter_map(|all| all.value.as_array()).flatten()
    }

    /// Its line in the order's `Items`.
    pub(super) fn item(&self, side: Side) -> Value {
        let names = Names::of(side);
        let mut item = Map::new();
        let price = self.price.clone().zip(self.price_key.clone());
        let price = price.map(|(price, sent)| Taken {
            sent,
            value: Value::Number(price),
        });
        let made = |name: &str, value: Value| Taken {
            sent: name.to_owned(),
            value,
        };
        let row_total = self.row_total.clone().map(Value::Number);
        for (name, taken) in [
            (names.item_id, self.own_id.clone()),
            ("SKU", self.sku.clone()),
            ("Name", self.name.clone()),
            ("Quantity", Some(made("Quantity", self.quantity.clone()))),
            (names.item_price, price),
            (names.row_total, row_total.map(|total| made(names.row_total, total))),
            ("Categories", self.categories.clone()),
            (names.url, self.url.clone()),
            (names.image_url, self.image_url.clone()),
        ] {
            if let Some(Taken { sent, value }) = taken {
                // The product has a field of Klaviyo's name too: what it sent under another stays under that.
                let name = if self.rest.contains_key(name) {
                    sent
                } else {
                    name.to_owned()
                };
                item.insert(name, value);
            }
        }
        for (name, value) in &self.rest {
            // Its price is there already.
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
        side: Side,
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
        let own_value = self.own_value.clone().map(|own| (own, format!("{place}.$value")));
        let row_total = self.row_total.clone();
        let value = own_value.or_else(|| Some((row_total?, format!("price × quantity of {place}"))));
        Draft {
            metric: "Ordered Product".to_owned(),
            metric_rule: format!("{place} of an Order Completed"),
            refused: key.is_none().then_some(Refusal::ProductWithoutId(self.line)),
            key,
            value,
            currency,
            warnings: std::mem::take(&mut self.warnings),
            properties: self.properties(&place, side),
        }
    }

    fn properties(self, place: &str, side: Side) -> Properties {
        let names = Names::of(side);
        let mut properties = Properties::default();
        // The sender's own fields first: what carries a name of Klaviyo's already is not computed over.
        properties.put_all(self.rest, place);
        let quantity = Taken {
            sent: "Quantity".to_owned(),
            value: self.quantity,
        };
        for (known, taken, field) in [
            ("ProductID", self.own_id, "productId or id"),
            ("SKU", self.sku, "sku"),
            ("Name", self.name, "name"),
            ("Quantity", Some(quantity), "quantity, 1 when absent"),
            (names.product_categories, self.categories, "category"),
            (names.url, self.url, "productUrl or url"),
            (names.image_url, self.image_url, "imageUrl"),
        ] {
            let Some(Taken { sent, value }) = taken else {
                continue;
            };
            let name = if properties.map.contains_key(known) {
                &sent
            } else {
                known
            };
            properties.put(name, value, format!("{place}, {field}"));
        }
        properties
    }
}

/// What the product's `$event_id` is made of. An id on the garbage list is in every order, and is passed over.
fn id(fields: &Map<String, Value>, place: &str, garbage: &GarbageIds, warnings: &mut Vec<String>) -> Option<String> {
    let names = ["productId", "id", "sku"].iter();
    let mut spelled = names.flat_map(|name| find_all(fields, name));
    spelled.find_map(|(sent, value)| {
        let id = text(value)?;
        if garbage.contains(&id) {
            warnings.push(format!(
                "`{place}.{sent}` is in `mapping.garbage_ids`: it names no product"
            ));
            return None;
        }
        Some(id)
    })
}

/// Takes the first of these fields that holds something.
fn take(rest: &mut Map<String, Value>, names: &[&str]) -> Option<Taken> {
    take_first(rest, names, |value| !is_empty(value))
}

/// Takes the first of these fields that holds an id; garbage stays where it was.
fn take_id(rest: &mut Map<String, Value>, names: &[&str], garbage: &GarbageIds) -> Option<Taken> {
    let is_garbage = |value: &Value| text(value).is_some_and(|id| garbage.contains(&id));
    take_first(rest, names, |value| !is_empty(value) && !is_garbage(value))
}

fn take_first(rest: &mut Map<String, Value>, names: &[&str], is_one: impl Fn(&Value) -> bool) -> Option<Taken> {
    let sent = names.iter().find_map(|name| {
        let found = find_all(rest, name).find(|(_, value)| is_one(value))?;
        Some(found.0.to_owned())
    })?;
    let value = rest.shift_remove(&sent)?;
    Some(Taken { sent, value })
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// `category` or `categories`, always as a list.
fn categories(rest: &mut Map<String, Value>) -> Option<Taken> {
    let listable = |value: &Value| value.is_array() || text(value).is_some();
    let mut taken = take_first(rest, &["category", "categories"], listable)?;
    if !taken.value.is_array() {
        taken.value = Value::Array(vec![taken.value]);
    }
    Some(taken)
}

/// The quantity as a number; 1 when it is absent. What is no number stays as it was sent.
fn quantity(rest: &mut Map<String, Value>, place: &str, warnings: &mut Vec<String>) -> Value {
    let is_number = |value: &Value| number(value).is_some();
    if let Some(Taken { value, .. }) = take_first(rest, &["quantity"], is_number) {
        return number(&value).map_or(value, Value::Number);
    }
    if let Some(Taken { value, .. }) = take_first(rest, &["quantity"], |value| !value.is_null()) {
        let warning = format!("`{place}.quantity` is no number: the product goes without a value");
        warnings.push(warning);
        return value;
    }
    take_first(rest, &["quantity"], Value::is_null);
    Value::from(1)
}

/// The price with the name it was sent under.
fn price(rest: &Map<String, Value>, place: &str, warnings: &mut Vec<String>) -> Option<(String, Number)> {
    let mut spelled = find_all(rest, "price").filter(|(_, value)| !value.is_null());
    spelled.find_map(|(sent, value)| {
        let number = number(value);
        if number.is_none() {
            warnings.push(format!("`{place}.{sent}` is no number: it is not the product's price"));
        }
        Some((sent.to_owned(), number?))
    })
}

fn row_total(price: Option<&Number>, quantity: &Value, place: &str, warnings: &mut Vec<String>) -> Option<Number> {
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
