//! Where a call was made: in a browser, whose write key is public, or on a server.

use serde_json::Value;

use super::call::Call;
use super::lookup::as_text;
use crate::model::Side;

/// The libraries of browsers, by `context.library.name`, in any case. Their names, from their sources:
/// `analytics.js` is Segment's, by npm (`@segment/analytics-next`) and by snippet (analytics-next,
/// `plugins/env-enrichment`); `RudderLabs JavaScript SDK` is RudderStack's (rudder-sdk-js, `APP_NAME`).
const BROWSERS: [&str; 2] = ["analytics.js", "RudderLabs JavaScript SDK"];

/// Jitsu's library in browsers, which has the same name in Node (jitsu, `analytics-plugin.ts`).
const ALSO_ON_SERVERS: &str = "@jitsu/js";

/// What `channel` is for calls of browsers: `web` of RudderStack's SDK (rudder-sdk-js, `CHANNEL`), `client` and
/// `browser` of Segment (its spec of common fields, and the calls that it forwards).
const CHANNELS: [&str; 3] = ["web", "client", "browser"];

impl Call {
    /// The side the call was made on: a browser is the client side, everything else the server's.
    pub fn side(&self) -> Side {
        let is = |word: &str, name: &str| word.trim().eq_ignore_ascii_case(name);
        let channels = [self.field("channel"), self.context("channel")];
        let mut channels = channels.into_iter().flatten().filter_map(Value::as_str);
        let by_channel = channels.any(|word| CHANNELS.iter().any(|name| is(word, name)));
        let library = self.library_name().unwrap_or_default();
        let of_browsers = BROWSERS.iter().any(|name| is(library, name));
        let by_library = of_browsers || (is(library, ALSO_ON_SERVERS) && self.has_browser());
        if by_channel || by_library {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// `context.library`, or its name.
    fn library_name(&self) -> Option<&str> {
        let library = self.context("library")?;
        library.as_str().or_else(|| library.get("name").and_then(Value::as_str))
    }

    /// Whether the call was made in a browser's page. Jitsu states it in `library.env`; before it did, only browsers
    /// had a page's address or a user agent (jitsu, `emptyRuntime`).
    fn has_browser(&self) -> bool {
        let env = self.context("library").and_then(|library| library.get("env"));
        if let Some(env) = env.and_then(Value::as_str) {
            return env.trim().eq_ignore_ascii_case("browser");
        }
        let page = self.context("page").and_then(|page| page.get("url"));
        let named = [page, self.context("userAgent")];
        named.into_iter().flatten().any(|value| as_text(value).is_some())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_browsers_library_sends_is_the_client_side() {
        let page = json!({"url": "https://shop.co/"});
        for (call, side) in [
            (json!({"context": {"library": {"name": "analytics.js"}}}), Side::Client),
            (json!({"context": {"library": "Analytics.js "}}), Side::Client),
            (
                json!({"context": {"library": {"name": "RudderLabs JavaScript SDK"}}}),
                Side::Client,
            ),
            (
                json!({"channel": "web", "context": {"library": {"name": "own"}}}),
                Side::Client,
            ),
            (json!({"channel": "client"}), Side::Client),
            (json!({"context": {"channel": "Browser"}}), Side::Client),
            (json!({"channel": null, "context": {"channel": "web"}}), Side::Client),
            (json!({"channel": 7, "context": {"channel": "web"}}), Side::Client),
            (
                json!({"context": {"library": {"name": "@jitsu/js"}, "page": page}}),
                Side::Client,
            ),
            (
                json!({"context": {"library": {"name": "@jitsu/js"}, "userAgent": "Mozilla"}}),
                Side::Client,
            ),
            (
                json!({"context": {"library": {"name": "@jitsu/js", "env": "node"}, "page": page}}),
                Side::Server,
            ),
            (
                json!({"context": {"library": {"name": "@jitsu/js"}, "page": {"url": null}}}),
                Side::Server,
            ),
            (
                json!({"channel": "server", "context": {"library": {"name": "@segment/analytics-node"}}}),
                Side::Server,
            ),
            (json!({"channel": "mobile"}), Side::Server),
            (json!({"channel": 7, "context": {"library": null}}), Side::Server),
        ] {
            let mut body = json!({"type": "track"});
            body.as_object_mut().unwrap().extend(call.as_object().unwrap().clone());
            let read = Call::read(&body.to_string(), None, None).unwrap();
            assert_eq!(read.side(), side, "{call}");
        }
    }
}
