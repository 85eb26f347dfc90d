//! What requests did at the double: events once per profile, metric and `unique_id`; of a profile every write in order;
//! subscriptions each time; import jobs that run later.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use klaviyo_relay::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::answer::{Document, End, Endpoint, Fate, Request};

/// Klaviyo shows no more import jobs at once.
const JOBS_SHOWN: usize = 100;

/// All that requests did. Events and profiles name the message that they came from: their property `m`.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// The messages of events, in the order of their first acceptance.
    pub(crate) events: Vec<String>,
    /// Copies of events that Klaviyo dropped.
    pub(crate) copies: usize,
    /// The messages of writes of profiles, in their order: of a profile the last one stands.
    pub(crate) writes: Vec<String>,
    /// When each message was in effect for the first time.
    pub(crate) first: HashMap<String, Instant>,
    /// E-mail addresses subscribed, each time.
    pub(crate) subscriptions: Vec<String>,
    /// Requests per endpoint.
    pub(crate) requests: HashMap<Endpoint, usize>,
    known: HashSet<(usize, String, String)>,
    profiles: HashMap<String, usize>,
    jobs: Vec<Job>,
}

/// An import job.
#[derive(Debug)]
struct Job {
    id: String,
    created: String,
    people: Vec<Value>,
    fate: Fate,
    over: bool,
    failed: Vec<Value>,
}

impl Effects {
    /// Applies a request; an import job is only accepted, and its place is answered.
    pub(super) fn apply(&mut self, request: &Request, fate: &Fate) -> (Document, Option<usize>) {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        match request.endpoint {
            Endpoint::Event => {
                let attributes = &body["data"]["attributes"];
                self.event(&attributes["profile"]["data"], attributes);
                ((202, None), None)
            }
            Endpoint::EventBulk => {
                for item in array(&body["data"]["attributes"]["events-bulk-create"]["data"]) {
                    let attributes = &item["attributes"];
                    for event in array(&attributes["events"]["data"]) {
                        self.event(&attributes["profile"]["data"], &event["attributes"]);
                    }
                }
                ((202, None), None)
            }
            Endpoint::Profile => {
                let (number, known) = self.profile(&body["data"]);
                self.write(&body["data"]);
                let id = profile_id(number);
                let shown = json!({"data": {"type": "profile", "id": id, "attributes": {}}});
                ((if known { 200 } else { 201 }, Some(shown)), None)
            }
            Endpoint::ProfileBulk => {
                let people = array(&body["data"]["attributes"]["profiles"]["data"]).to_vec();
                let place = self.take_job(people, fate.clone());
                let shown = json!({"data": self.jobs[place].shown()});
                ((202, Some(shown)), Some(place))
            }
            Endpoint::Subscription => {
                for profile in array(&body["data"]["attributes"]["profiles"]["data"]) {
                    let email = profile["attributes"]["email"].as_str().unwrap_or_default();
                    self.subscriptions.push(email.to_owned());
                }
                ((202, None), None)
            }
            Endpoint::List => ((204, None), None),
            Endpoint::Deletion => ((202, None), None),
            Endpoint::ImportJob
            | Endpoint::ImportErrors
            | Endpoint::ImportJobs
            | Endpoint::Accounts
            | Endpoint::Other => (self.read(request), None),
        }
    }

    /// What is answered to a question that changes nothing.
    fn read(&self, request: &Request) -> Document {
        let id = request.path.split('/').nth(3).unwrap_or_default();
        let known = || self.jobs.iter().filter(|job| job.fate.end != End::Unknown);
        let job = known().find(|job| job.id == id);
        match (request.endpoint, job) {
            (Endpoint::Accounts, _) => {
                let account = json!({"type": "account", "id": "DOUBLE",
                    "attributes": {"public_api_key": "DOUBLE"}});
                (200, Some(json!({"data": [account]})))
            }
            (Endpoint::ImportJobs, _) => {
                let shown = known().filter(|job| job.matches(&request.query));
                let mut shown: Vec<Value> = shown.map(Job::shown).collect();
                if !request.query.contains("sort=created_at") {
                    shown.reverse();
                }
                shown.truncate(JOBS_SHOWN);
                (200, Some(json!({"data": shown, "links": {"next": null}})))
            }
            (Endpoint::ImportJob, Some(job)) => (200, Some(json!({"data": job.shown()}))),
            (Endpoint::ImportErrors, Some(job)) => {
                let listed = matches!(job.fate.end, End::Complete { listed: true, .. });
                let errors = if listed { job.failed.clone() } else { Vec::new() };
                (200, Some(json!({"data": errors, "links": {"next": null}})))
            }
            (_, _) => {
                let error = json!({"errors": [{"id": "e", "status": 404, "code": "not_found", "title": "Not found.",
                    "detail": "Not found.", "source": {}}]});
                (404, Some(error))
            }
        }
    }

    /// Runs every import job that is still to be executed.
    pub(crate) fn run_jobs(&mut self) {
        for place in 0..self.jobs.len() {
            self.run_job(place);
        }
    }

    /// Runs an import job that was accepted, unless it ran before.
    pub(super) fn run_job(&mut self, place: usize) {
        if self.jobs[place].over {
            return;
        }
        let End::Complete { failing, .. } = self.jobs[place].fate.end.clone() else {
            let job = &mut self.jobs[place];
            job.over = job.fate.end == End::Cancelled;
            return;
        };
        let people = self.jobs[place].people.clone();
        let mut failed = Vec::new();
        for (at, person) in people.iter().enumerate() {
            let text = person.to_string();
            if failing.iter().any(|word| text.contains(word)) {
                failed.push(import_error(at, person));
            } else {
                self.profile(person);
                self.write(person);
            }
        }
        let job = &mut self.jobs[place];
        (job.failed, job.over) = (failed, true);
    }

    /// Whether a job was accepted that is still to be executed.
    pub(crate) fn owes_jobs(&self) -> bool {
        let owed = |job: &Job| matches!(job.fate.end, End::Complete { .. }) && !job.over;
        self.jobs.iter().any(owed)
    }

    fn take_job(&mut self, people: Vec<Value>, fate: Fate) -> usize {
        let place = self.jobs.len();
        self.jobs.push(Job {
            id: format!("job-{}", place + 1),
            created: SystemClock.now().to_string(),
            people,
            fate,
            over: false,
            failed: Vec::new(),
        });
        place
    }

    fn event(&mut self, profile: &Value, attributes: &Value) {
        let (number, _) = self.profile(profile);
        let metric = &attributes["metric"]["data"]["attributes"]["name"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = (number, text(metric), text(&attributes["unique_id"]));
        if self.known.insert(key) {
            let message = text(&attributes["properties"]["m"]);
            self.first.entry(message.clone()).or_insert_with(Instant::now);
            self.events.push(message);
        } else {
            self.copies += 1;
        }
    }

    fn write(&mut self, profile: &Value) {
        let message = profile["attributes"]["properties"]["m"].as_str();
        let message = message.unwrap_or_default().to_owned();
        self.first.entry(message.clone()).or_insert_with(Instant::now);
        self.writes.push(message);
    }

    /// The profile that a document is about, and whether it was there: the one that has the strongest of its
    /// identifiers gets the others that nobody has.
    fn profile(&mut self, profile: &Value) -> (usize, bool) {
        let names = ["external_id", "email", "phone_number"].iter().filter_map(|name| {
            let value = profile["attributes"][name].as_str()?;
            Some(format!("{name}:{}", value.to_lowercase()))
        });
        let names: Vec<String> = names.collect();
        let owner = names.iter().find_map(|name| self.profiles.get(name)).copied();
        let number = owner.unwrap_or(self.profiles.len() + 1);
        for name in names {
            self.profiles.entry(name).or_insert(number);
        }
        (number, owner.is_some())
    }
}

impl Job {
    fn status(&self) -> &'static str {
        match (&self.fate.end, self.over) {
            (End::Cancelled, true) => "cancelled",
            (_, true) => "complete",
            (_, false) => "processing",
        }
    }

    fn shown(&self) -> Value {
        let (failed, total) = (self.failed.len(), self.people.len());
        let done = self.over && self.fate.end != End::Cancelled;
        let completed = if done { total - failed } else { 0 };
        json!({"type": "profile-bulk-import-job", "id": self.id, "attributes": {
            "status": self.status(), "created_at": self.created, "total_count": total,
            "completed_count": completed, "failed_count": failed,
            "started_at": self.created, "completed_at": self.over.then_some(&self.created), "expires_at": null}})
    }

    /// A filter by status shows the jobs whose status it names.
    fn matches(&self, query: &str) -> bool {
        let filter = query.split('&').find(|part| part.starts_with("filter="));
        filter.is_none_or(|filter| !filter.contains("status") || filter.contains(self.status()))
    }
}

fn import_error(at: usize, person: &Value) -> Value {
    json!({"type": "import-error", "id": format!("error-{at}"), "attributes": {
        "code": "invalid", "title": "Invalid input.", "detail": "This profile is not welcome in a job.",
        "source": {"pointer": format!("/data/attributes/profiles/data/{at}")}, "original_payload": person}})
}

fn profile_id(number: usize) -> String {
    format!("01DOUBLE{number:018}")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
