//! The filters of the pages: the keys of an address or a form, the events they select, and how they are displayed.
//!
//! All pages use the same keys; a filter that is not set is absent. Each value is checked as strictly as in the API: an
//! invalid filter is never ignored, because without it more events would be selected. It is kept with an error text,
//! which the page shows at its field.

use maud::{Markup, html};

use super::request::PageRequest;
pub use super::urls::address;
use crate::admin::refusal::Refusal;
use crate::model::Timestamp;
use crate::operator::{Filter, FilterError, Selection, SourceError, TimeExpr};

/// Event numbers that a chip lists.
const NAMED: usize = 3;

/// The parameters of a page.
#[derive(Debug)]
pub struct FilterParams {
    /// The filters as they were written, in the order of [`Filter::KEYS`].
    texts: Vec<(&'static str, String)>,
    /// The page's own keys.
    own: Vec<(&'static str, String)>,
    /// Keys without a value, as a form sends them for empty fields.
    empty: Vec<&'static str>,
    /// Invalid keys, with the error text.
    wrong: Vec<(String, String)>,
    /// The valid filters.
    filter: Filter,
    /// When the request came: relative times count back from here.
    now: Timestamp,
}

impl FilterParams {
    /// Reads a query or a form. `own`: keys of the page itself, which it reads with [`FilterParams::own`].
    pub fn read(pairs: &str, own: &[&'static str], now: Timestamp) -> Self {
        let mut params = Self {
            texts: Vec::new(),
            own: Vec::new(),
            empty: Vec::new(),
            wrong: Vec::new(),
            filter: Filter::default(),
            now,
        };
        match serde_urlencoded::from_str::<Vec<(String, String)>>(pairs) {
            Ok(pairs) => {
                for (key, text) in pairs {
                    params.take(&key, text, own);
                }
            }
            Err(_) => params.note("address", "cannot be read"),
        }
        let place = |key: &str| Filter::KEYS.iter().position(|known| *known == key);
        params.texts.sort_by_key(|(key, _)| place(key));
        for (key, text) in params.texts.clone() {
            if let Err(error) = params.filter.set(key, &text) {
                params.note(key, &error.to_string());
            }
        }
        params.compare();
        params
    }

    /// Like [`FilterParams::read`], but rejects any error and any key without a value.
    pub fn strictly(pairs: &str, own: &[&'static str], now: Timestamp) -> Result<Self, Refusal> {
        let mut params = Self::read(pairs, own, now);
        for key in std::mem::take(&mut params.empty) {
            params.note(key, &FilterError::Empty.to_string());
        }
        let Some((key, words)) = params.wrong.first() else {
            return Ok(params);
        };
        let words = format!("`{key}`: {words}");
        Err(Refusal::bad_request("bad_query", words))
    }

    /// Records an error for a source that does not exist.
    pub(super) async fn known(mut self, request: &PageRequest) -> Result<Self, Refusal> {
        let settings = request.admin.settings();
        let (ingest, outbox) = (settings.ingest(), &request.admin.outbox);
        match self.filter.check_source(ingest, outbox).await {
            Ok(()) => {}
            Err(error @ SourceError::Unknown { .. }) => self.note("source", &error.to_string()),
            Err(SourceError::Read(error)) => return Err(error.into()),
        }
        Ok(self)
    }

    fn take(&mut self, key: &str, text: String, own: &[&'static str]) {
        let known = |keys: &[&'static str]| keys.iter().copied().find(|known| *known == key);
        let (list, key) = match (known(&Filter::KEYS), known(own)) {
            (Some(key), _) => (&mut self.texts, key),
            (None, Some(key)) => (&mut self.own, key),
            (None, None) => return self.note(key, &FilterError::Unknown.to_string()),
        };
        if text.is_empty() {
            self.empty.push(key);
        } else if value(list, key).is_some() {
            self.note(key, &FilterError::Twice.to_string());
        } else {
            list.push((key, text));
        }
    }

    /// Records an error for filters that contradict each other.
    fn compare(&mut self) {
        let (since, until) = (self.time(self.filter.since), self.time(self.filter.until));
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            self.note("until", "is not after `since`, so that no event can be between them");
        }
    }

    fn time(&self, time: Option<TimeExpr>) -> Option<Timestamp> {
        time.map(|time| time.at(self.now))
    }

    /// Records the error of a key.
    pub(super) fn note(&mut self, key: &str, words: &str) {
        self.wrong.push((key.to_owned(), words.to_owned()));
    }

    /// The error of a key.
    pub(super) fn wrong(&self, key: &str) -> Option<&str> {
        let mut wrong = self.wrong.iter();
        wrong.find_map(|(wrong, words)| (wrong == key).then_some(words.as_str()))
    }

    /// All errors, by key.
    pub fn wrongs(&self) -> &[(String, String)] {
        &self.wrong
    }

    /// Whether the address has keys without a value.
    pub(super) fn has_empty(&self) -> bool {
        !self.empty.is_empty()
    }

    /// Whether any filter is set.
    pub fn is_given(&self) -> bool {
        !self.texts.is_empty()
    }

    /// A filter as it was written; empty if it is not set.
    pub(super) fn text(&self, key: &str) -> &str {
        value(&self.texts, key).unwrap_or_default()
    }

    /// A key of the page itself.
    pub(super) fn own(&self, key: &str) -> Option<&str> {
        value(&self.own, key)
    }

    /// The filters with absolute times: `2h` is a different time every minute.
    pub fn fixed(&self) -> Vec<(&'static str, String)> {
        let fixed = |(key, text): &(&'static str, String)| {
            let time = match *key {
                "since" => self.time(self.filter.since),
                "until" => self.time(self.filter.until),
                _ => None,
            };
            (*key, time.map_or_else(|| text.clone(), |time| time.to_string()))
        };
        self.texts.iter().map(fixed).collect()
    }

    /// The parsed filters.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The filters as the outbox takes them.
    pub fn selection(&self) -> Selection {
        self.filter.selection(&[], self.now)
    }

    /// The address of a page with these filters and further keys.
    pub fn address(&self, path: &str, more: &[(&str, &str)]) -> String {
        let texts = self.texts.iter();
        let texts = texts.map(|(key, text)| (*key, text.as_str()));
        let pairs: Vec<(&str, &str)> = more.iter().copied().chain(texts).collect();
        address(path, &pairs)
    }

    /// The address of a page with these filters except one.
    pub(super) fn without(&self, path: &str, key: &str) -> String {
        let texts = self.texts.iter().filter(|(known, _)| *known != key);
        let pairs: Vec<(&str, &str)> = texts.map(|(key, text)| (*key, text.as_str())).collect();
        address(path, &pairs)
    }

    /// The filters one by one, each with its key and its meaning: `from shop`.
    pub(super) fn chips(&self, request: &PageRequest) -> Vec<(&'static str, String)> {
        let chip = |(key, text): &(&'static str, String)| (*key, words(key, &request.masked(text)));
        self.texts.iter().map(chip).collect()
    }

    /// The title of the list of these events: `Dead events · from shop`.
    pub(super) fn title(&self, request: &PageRequest) -> String {
        let mut title = match self.text("status") {
            "" => "Events".to_owned(),
            status => {
                let words = status.replace(',', " or ");
                let (first, rest) = words.split_at_checked(1).unwrap_or(("", &words));
                format!("{}{rest} events", first.to_uppercase())
            }
        };
        for (_, words) in self.chips(request).iter().filter(|(key, _)| *key != "status") {
            title.push_str(" · ");
            title.push_str(words);
        }
        title
    }

    /// The filters as hidden fields of a form, except those that have a visible field.
    pub(super) fn hidden(&self, shown: &[&str]) -> Markup {
        let kept = self.texts.iter().filter(|(key, _)| !shown.contains(key));
        html! { @for (key, text) in kept { input type="hidden" name=(key) value=(text); } }
    }
}

fn value<'a>(list: &'a [(&'static str, String)], key: &str) -> Option<&'a str> {
    let found = list.iter().find(|(known, _)| *known == key);
    found.map(|(_, text)| text.as_str())
}

fn words(key: &str, text: &str) -> String {
    match key {
        "id" => {
            let ids: Vec<&str> = text.split(',').map(str::trim).collect();
            match ids.len() {
                1 => format!("number {text}"),
                2..=NAMED => format!("numbers {}", ids.join(", ")),
                many => format!("{many} numbers"),
            }
        }
        "status" => text.replace(',', " or "),
        "source" => format!("from {text}"),
        "profile" => format!("of {text}"),
        "order_id" => format!("order {text}"),
        "since" => format!("since {text}"),
        "until" => format!("until {text}"),
        "sent_to" => format!("sent to {text}"),
        "reason" => format!("reason has “{text}”"),
        "code" => format!("with code {text}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventStatus;

    const NOW: Timestamp = Timestamp::from_millis(1_795_534_400_000);

    fn params(query: &str) -> FilterParams {
        FilterParams::read(query, &["q"], NOW)
    }

    #[test]
    fn an_address_says_what_is_meant_and_is_made_of_it_again() {
        let query = "id=3%2C1&status=dead&type=track&event=Order+Completed&source=shop&profile=user%3Au1&since=2h&\
                     until=2026-11-24T15%3A00&sent_to=sandbox&reason=list";
        let params = params(query);
        assert_eq!(params.wrongs(), []);
        let filter = params.filter();
        assert_eq!(filter.ids, [3, 1]);
        assert_eq!(filter.states, [EventStatus::Dead]);
        assert_eq!(filter.event.as_deref(), Some("Order Completed"));
        assert_eq!(filter.since.unwrap().at(NOW).to_string(), "2026-11-24T13:33:20.000Z");
        assert_eq!(params.address("/events", &[]), format!("/events?{query}"));
        assert!(!params.without("/events", "id").contains("id="));
        let fixed = params.fixed();
        assert!(fixed.contains(&("since", "2026-11-24T13:33:20.000Z".to_owned())));
    }

    #[test]
    fn what_cannot_be_read_is_said_at_its_key_and_never_left_out() {
        for (query, key) in [
            ("status=lost", "status"),
            ("status=dead,lost", "status"),
            ("type=purchase", "type"),
            ("id=x", "id"),
            ("id=1,", "id"),
            ("since=soon", "since"),
            ("since=1h&until=2h", "until"),
            ("profile=+", "profile"),
            ("order_id=+", "order_id"),
            ("stauts=dead", "stauts"),
            ("event=a&event=b", "event"),
        ] {
            let params = params(query);
            assert!(params.wrong(key).is_some(), "{query}: {:?}", params.wrongs());
            assert!(FilterParams::strictly(query, &[], NOW).is_err(), "{query}");
        }
    }

    #[test]
    fn a_field_that_was_not_filled_in_is_none_in_a_list_and_refused_in_a_change() {
        let params = params("q=&status=&event=A");
        assert!(params.has_empty() && params.wrongs().is_empty());
        assert_eq!(params.address("/events", &[]), "/events?event=A");
        assert!(FilterParams::strictly("status=&event=A", &[], NOW).is_err());
    }

    #[test]
    fn several_states_are_listed_and_none_of_them_is_forgotten() {
        let params = params("status=dead,held");
        assert_eq!(params.filter().states, [EventStatus::Dead, EventStatus::Held]);
        assert_eq!(params.selection().states, params.filter().states);
    }
}
