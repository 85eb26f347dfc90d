//! Example calls: one of each kind that shops send.

/// A call to try.
pub(super) struct Example {
    /// Its name in the address.
    pub(super) word: &'static str,
    /// Its name on the page.
    pub(super) name: &'static str,
    /// The call. It has no `messageId`, so that each submission is a new event.
    pub(super) call: &'static str,
}

pub(super) const EXAMPLES: [Example; 4] = [
    Example {
        word: "order",
        name: "order",
        call: r#"{
  "type": "track",
  "userId": "u-1001",
  "event": "Order Completed",
  "properties": {
    "orderId": "1001",
    "total": 54.90,
    "currency": "EUR",
    "coupon": "WELCOME",
    "products": [
      {
        "productId": "tea-01",
        "name": "Green tea",
        "price": 12.50,
        "quantity": 2
      },
      {
        "productId": "pot-07",
        "name": "Teapot",
        "price": 29.90,
        "quantity": 1
      }
    ]
  },
  "context": { "traits": { "email": "ada@shop.example" } }
}"#,
    },
    Example {
        word: "identify",
        name: "identify",
        call: r#"{
  "type": "identify",
  "userId": "u-1001",
  "traits": {
    "email": "ada@shop.example",
    "phone": "+442071838750",
    "name": "Ada Lovelace",
    "address": { "city": "London", "country": "UK" },
    "plan": "gold"
  }
}"#,
    },
    Example {
        word: "track",
        name: "track",
        call: r#"{
  "type": "track",
  "userId": "u-1001",
  "event": "Product Viewed",
  "properties": {
    "name": "Green tea",
    "price": 12.50,
    "category": "Tea"
  }
}"#,
    },
    Example {
        word: "consent",
        name: "identify with consent",
        call: r#"{
  "type": "identify",
  "userId": "u-1001",
  "traits": { "email": "ada@shop.example", "firstName": "Ada" },
  "integrations": {
    "Klaviyo": { "listId": "LIST01", "confirmOptin": true }
  }
}"#,
    },
];
