//! `profile-import`: create or update one profile, answered with its id.
//!
//! There is no `anonymous_id` here: Klaviyo removed it from this endpoint with revision 2025-10-15.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::resource::{Data, text};

/// The attributes of a profile and what is erased from it. An absent member stays at Klaviyo as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ProfileImport {
    /// The e-mail address, at most 100 characters.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub email: Field,
    /// The phone number, in E.164.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub phone_number: Field,
    /// The shop's own id of the person (`$id` in Klaviyo's older API).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The first name.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub first_name: Field,
    /// The last name.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub last_name: Field,
    /// The company.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub organization: Field,
    /// The job title.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub title: Field,
    /// Where the person lives.
    #[serde(skip_serializing_if = "Location::is_empty")]
    pub location: Location,
    /// Custom properties, as sent.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
    /// Custom properties to delete (`meta.patch_properties.unset`). A `null` among `properties` is not documented
    /// to do so.
    #[serde(skip)]
    pub unset: Vec<String>,
}

impl ProfileImport {
    /// The body's JSON text.
    pub fn body(&self) -> String {
        let unset = &self.unset;
        let meta = (!unset.is_empty()).then(|| json!({ "patch_properties": { "unset": unset } }));
        text(&Data {
            data: Profile {
                kind: "profile",
                attributes: self,
                meta,
            },
        })
    }
}

/// Where a person lives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Location {
    /// The town.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub city: Field,
    /// The country.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub country: Field,
    /// The state, province or region.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub region: Field,
    /// The postal code.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub zip: Field,
    /// The time zone's name, such as `Europe/Berlin`.
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub timezone: Field,
}

impl Location {
    /// Whether nothing of it is sent.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A text attribute: left as it is, erased on purpose, or set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field {
    /// Not sent: Klaviyo keeps what it has.
    #[default]
    Absent,
    /// Sent as `null`: Klaviyo erases what it has.
    Clear,
    /// Sent.
    Set(String),
}

impl Field {
    /// Whether it is not sent.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The text that is sent, if one is.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Set(text) => Some(text),
            Self::Absent | Self::Clear => None,
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(serializer)
    }
}

#[derive(Serialize)]
struct Profile<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: &'a ProfileImport,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_field_is_left_out_and_a_cleared_one_is_null() {
        let profile = ProfileImport {
            external_id: Some("u1".to_owned()),
            first_name: Field::Set("Ann".to_owned()),
            last_name: Field::Clear,
            unset: vec!["plan".to_owned()],
            ..ProfileImport::default()
        };
        assert_eq!(
            profile.body(),
            r#"{"data":{"type":"profile","attributes":{"external_id":"u1","first_name":"Ann","last_name":null},"meta":{"patch_properties":{"unset":["plan"]}}}}"#
        );
    }
}
