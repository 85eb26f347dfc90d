//! One product of an order: its line within the order's `Items`, and its own `Ordered Product` event.
//!
//! The fields that Klaviyo knows go under Klaviyo's names, all others as they were sent.

use serde_json::{Map, Number, Value};

use super::decimal::Decimal;
use super::draft::{Draft, Properties};
use super::event_id::LineIds;
use super::extracted::{Extracted, number, property};
use super::reasons::Rejection;
use super::rule::{Note, Origin, Sourced};
use super::sink::Sink;
use super::warning::Warning;
use crate::model::{GarbageIds, Side};
use crate::segment::{Pointer, as_text, find_all};

/// A product as the order sent it.
pub(super) struct Product {
    /// Its place in the order, from 1.
    line: usize,
    /// `productId`, else `id`, else `sku`.
    pub(super) id: Option<String>,
    /// Its name, as sent.
    name: Option<SentField>,
    /// What goes as `ProductID`: `productId`, else `id`. A `sku` has a name of its own.
    own_id: Option<SentField>,
    sku: Option<SentField>,
    /// Always a list.
    categories: Option<SentField>,
    url: Option<SentField>,
    image_url: Option<SentField>,
    /// A number, or what the sender took for one.
    quantity: Value,
    /// The name under which the quantity was sent; `None` when there was none.
    quantity_key: Option<String>,
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
    /// Its rules and warnings.
    sink: Sink,
}

/// A field that goes under a name of Klaviyo's, and the name that it was sent under.
#[derive(Clone)]
struct SentField {
    sent: String,
    value: Value,
}

/// The names that Klaviyo knows a product's fields by. Source: Segment's destination, whose browser code
/// (analytics.js-integration-klaviyo) has names of its own.
struct ProductKeys {
    item_id: &'static str,
    item_price: &'static str,
    row_total: &'static str,
    product_categories: &'static str,
    url: &'static str,
    image_url: &'static str,
}

impl ProductKeys {
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
    pub(super) fn read(line: usize, fields: &Map<String, Value>, garbage: &GarbageIds, mut sink: Sink) -> Self {
        let place = || property("products").item(line - 1);
        let extracted = Extracted::of(fields, place, garbage, &mut sink);
        let mut rest = extracted.rest;
        // The id is looked up before anything is taken: the order of its three names is not that of the fields.
        let id = id(&rest, place, garbage, &mut sink);
        let (quantity_key, quantity) = quantity(&mut rest, place, &mut sink);
        let (price_key, price) = price(&rest, place, &mut sink).unzip();
        let row_total = row_total(price.as_ref(), &quantity, place, &mut sink);
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
            quantity_key,
            price,
            row_total,
            price_key,
            own_event_id: extracted.event_id,
            own_value: extracted.value,
            rest,
            sink,
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
        let names = ProductKeys::of(side);
        let mut item = Map::new();
        let price = self.price.clone().zip(self.price_key.clone());
        let price = price.map(|(price, sent)| SentField {
            sent,
            value: Value::Number(price),
        });
        let made = |name: &str, value: Value| SentField {
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
            if let Some(SentField { sent, value }) = taken {
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
    /// `sent` is the property that the order's products were sent as.
    pub(super) fn draft(
        self,
        order: &Sourced<String>,
        currency: Option<Sourced<String>>,
        sent: &str,
        side: Side,
        lines: &mut LineIds,
    ) -> Draft {
        let at = self.line - 1;
        let place = || property(sent).item(at);
        let origin = |name| self.sink.origin(|| Origin::sent(place().name(name)));
        let noted = |note| self.sink.origin(|| Origin::new(place(), note));
        // Without an id there is nothing that stays the same when the order is sent again.
        let key = match (&self.own_event_id, &self.id) {
            (Some(own), _) => Some(Sourced {
                value: own.clone(),
                origin: origin("$event_id"),
            }),
            (None, Some(id)) => Some(Sourced {
                value: format!("{}_{}", order.value, lines.next_id(id)),
                origin: order.origin.clone().map(|order| Origin {
                    note: Note::OrderAndProduct,
                    ..order
                }),
            }),
            (None, None) => None,
        };
        let value = match (&self.own_value, &self.row_total) {
            (Some(own), _) => Some((own, origin("$value"))),
            (None, Some(total)) => Some((total, noted(Note::PriceTimesQuantity))),
            (None, None) => None,
        };
        let value = value.map(|(value, origin)| Sourced {
            value: value.clone(),
            origin,
        });
        Draft {
            metric: Sourced {
                value: "Ordered Product".to_owned(),
                origin: noted(Note::OrderedProduct),
            },
            rejected: key.is_none().then_some(Rejection::ProductWithoutId(self.line)),
            key,
            value,
            currency,
            properties: self.properties(place, side),
        }
    }

    fn properties(self, place: impl Fn() -> Pointer, side: Side) -> Properties {
        let names = ProductKeys::of(side);
        let mut properties = Properties::new(self.sink);
        // The sender's own fields first: what carries a name of Klaviyo's already is not computed over.
        properties.put_all(self.rest, |name| place().name(name));
        let quantity = SentField {
            sent: "Quantity".to_owned(),
            value: self.quantity,
        };
        for (known, taken) in [
            ("ProductID", self.own_id),
            ("SKU", self.sku),
            ("Name", self.name),
            ("Quantity", Some(quantity)),
            (names.product_categories, self.categories),
            (names.url, self.url),
            (names.image_url, self.image_url),
        ] {
            let Some(SentField { sent, value }) = taken else {
                continue;
            };
            let name = if properties.map.contains_key(known) {
                &sent
            } else {
                known
            };
            properties.put(name, value, || match (known, &self.quantity_key) {
                ("Quantity", None) => Origin::new(place(), Note::QuantityOne),
                ("Quantity", Some(sent)) => Origin::sent(place().name(sent)),
                _ => Origin::sent(place().name(&sent)),
            });
        }
        properties
    }
}

/// What the product's `$event_id` is made of. An id on the garbage list is in every order, and is passed over.
fn id(
    fields: &Map<String, Value>,
    place: impl Fn() -> Pointer,
    garbage: &GarbageIds,
    sink: &mut Sink,
) -> Option<String> {
    let names = ["productId", "id", "sku"].iter();
    let mut spelled = names.flat_map(|name| find_all(fields, name));
    spelled.find_map(|(sent, value)| {
        let id = as_text(value)?;
        if garbage.contains(&id) {
            sink.warn(Warning::GarbageProductId(place().name(sent)));
            return None;
        }
        Some(id)
    })
}

/// Takes the first of these fields that holds something.
fn take(rest: &mut Map<String, Value>, names: &[&str]) -> Option<SentField> {
    take_first(rest, names, |value| !is_empty(value))
}

/// Takes the first of these fields that holds an id; garbage stays where it was.
fn take_id(rest: &mut Map<String, Value>, names: &[&str], garbage: &GarbageIds) -> Option<SentField> {
    let is_garbage = |value: &Value| as_text(value).is_some_and(|id| garbage.contains(&id));
    take_first(rest, names, |value| !is_empty(value) && !is_garbage(value))
}

fn take_first(rest: &mut Map<String, Value>, names: &[&str], is_one: impl Fn(&Value) -> bool) -> Option<SentField> {
    let sent = names.iter().find_map(|name| {
        let found = find_all(rest, name).find(|(_, value)| is_one(value))?;
        Some(found.0.to_owned())
    })?;
    let value = rest.shift_remove(&sent)?;
    Some(SentField { sent, value })
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// `category` or `categories`, always as a list.
fn categories(rest: &mut Map<String, Value>) -> Option<SentField> {
    let listable = |value: &Value| value.is_array() || as_text(value).is_some();
    let mut taken = take_first(rest, &["category", "categories"], listable)?;
    if !taken.value.is_array() {
        taken.value = Value::Array(vec![taken.value]);
    }
    Some(taken)
}

/// The quantity as a number, with the name it was sent under; 1 when it is absent. What is no number stays as it was
/// sent.
fn quantity(rest: &mut Map<String, Value>, place: impl Fn() -> Pointer, sink: &mut Sink) -> (Option<String>, Value) {
    let is_number = |value: &Value| number(value).is_some();
    if let Some(SentField { sent, value }) = take_first(rest, &["quantity"], is_number) {
        return (Some(sent), number(&value).map_or(value, Value::Number));
    }
    if let Some(SentField { sent, value }) = take_first(rest, &["quantity"], |value| !value.is_null()) {
        sink.warn(Warning::QuantityNotNumber(place().name("quantity")));
        return (Some(sent), value);
    }
    take_first(rest, &["quantity"], Value::is_null);
    (None, Value::from(1))
}

/// The price with the name it was sent under.
fn price(rest: &Map<String, Value>, place: impl Fn() -> Pointer, sink: &mut Sink) -> Option<(String, Number)> {
    let mut spelled = find_all(rest, "price").filter(|(_, value)| !value.is_null());
    spelled.find_map(|(sent, value)| {
        let number = number(value);
        if number.is_none() {
            sink.warn(Warning::PriceNotNumber(place().name(sent)));
        }
        Some((sent.to_owned(), number?))
    })
}

fn row_total(
    price: Option<&Number>,
    quantity: &Value,
    place: impl FnOnce() -> Pointer,
    sink: &mut Sink,
) -> Option<Number> {
    number(quantity)?;
    // A quantity that is no number has had its warning.
    let price = Value::Number(price?.clone());
    let total = Decimal::read(&price)
        .zip(Decimal::read(quantity))
        .and_then(|(price, quantity)| price.times(quantity)?.number());
    if total.is_none() {
        sink.warn(Warning::RowTotalTooLong(place()));
    }
    total
}
