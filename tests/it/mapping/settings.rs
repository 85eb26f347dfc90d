//! The `settings` of a case: keys and values as in `[mapping]` of `config.toml`.

use klaviyo_relay::config::MappingConfig;
use klaviyo_relay::model::GarbageIds;
use serde_json::{Map, Value};

/// The settings, defaults where a case sets nothing. A key that `[mapping]` does not have fails the test.
pub(super) fn mapping_config(settings: &Map<String, Value>) -> MappingConfig {
    let mut config = MappingConfig::default();
    for (key, value) in settings {
        match key.as_str() {
            "enforce_email" => config.enforce_email = value.as_bool().unwrap(),
            "fallback_to_anonymous_id" => {
                config.fallback_to_anonymous_id = value.as_bool().unwrap();
            }
            "list_id" => config.list_id = Some(text(value)),
            "delete_profiles" => config.delete_profiles = value.as_bool().unwrap(),
            "confirm_optin" => config.confirm_optin = value.as_bool().unwrap(),
            "order_completed_as_is" => config.order_completed_as_is = value.as_bool().unwrap(),
            "max_products" => {
                config.max_products = u32::try_from(value.as_u64().unwrap()).unwrap();
            }
            "order_id_events" => config.order_id_events = texts(value),
            "event_id_events" => config.event_id_events = texts(value),
            "audience_lists" => {
                let lists = value.as_object().unwrap().iter();
                config.audience_lists = lists.map(|(k, v)| (k.clone(), text(v))).collect();
            }
            "garbage_ids" => config.garbage_ids = GarbageIds::new(texts(value)),
            unknown => panic!("unknown setting {unknown}"),
        }
    }
    config
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}
