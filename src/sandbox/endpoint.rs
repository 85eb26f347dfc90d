//! The endpoints a sandbox has: their paths, methods and published limits.
//!
//! Promises that an unknown path and a wrong method are told apart, as Klaviyo tells them apart. Pure.
//! Source: Klaviyo's `OpenAPI` description, `x-klaviyo-ratelimit` of each operation.

use axum::http::Method;

/// One operation of Klaviyo's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    CreateEvent,
    BulkCreateEvents,
    ImportProfile,
    BulkImportProfiles,
    GetImportJobs,
    GetImportJob,
    GetImportErrors,
    Subscribe,
    AddToList,
    RemoveFromList,
    RequestDeletion,
    GetAccounts,
    GetLists,
    GetList,
    GetProfiles,
    GetEvents,
}

/// Where a method and path lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// To an operation, with the id in the path, empty where it has none.
    Operation(Endpoint, String),
    /// To a path that takes other methods.
    WrongMethod,
    /// To a path of the API before 2024, all of which is gone.
    Legacy,
    /// Nowhere.
    Unknown,
}

/// Requests per second and per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tier {
    pub(crate) burst: u32,
    pub(crate) steady: u32,
}

const XS: Tier = tier(1, 15);
const S: Tier = tier(3, 60);
const M: Tier = tier(10, 150);
const L: Tier = tier(75, 750);
const XL: Tier = tier(350, 3500);

const fn tier(burst: u32, steady: u32) -> Tier {
    Tier { burst, steady }
}

/// Method, path with `{id}`, operation.
const TABLE: [(Method, &str, Endpoint); 16] = [
    (Method::POST, "/api/events", Endpoint::CreateEvent),
    (Method::POST, "/api/event-bulk-create-jobs", Endpoint::BulkCreateEvents),
    (Method::POST, "/api/profile-import", Endpoint::ImportProfile),
    (
        Method::POST,
        "/api/profile-bulk-import-jobs",
        Endpoint::BulkImportProfiles,
    ),
    (Method::GET, "/api/profile-bulk-import-jobs", Endpoint::GetImportJobs),
    (
        Method::GET,
        "/api/profile-bulk-import-jobs/{id}",
        Endpoint::GetImportJob,
    ),
    (
        Method::GET,
        "/api/profile-bulk-import-jobs/{id}/import-errors",
        Endpoint::GetImportErrors,
    ),
    (
        Method::POST,
        "/api/profile-subscription-bulk-create-jobs",
        Endpoint::Subscribe,
    ),
    (
        Method::POST,
        "/api/lists/{id}/relationships/profiles",
        Endpoint::AddToList,
    ),
    (
        Method::DELETE,
        "/api/lists/{id}/relationships/profiles",
        Endpoint::RemoveFromList,
    ),
    (
        Method::POST,
        "/api/data-privacy-deletion-jobs",
        Endpoint::RequestDeletion,
    ),
    (Method::GET, "/api/accounts", Endpoint::GetAccounts),
    (Method::GET, "/api/lists", Endpoint::GetLists),
    (Method::GET, "/api/lists/{id}", Endpoint::GetList),
    (Method::GET, "/api/profiles", Endpoint::GetProfiles),
    (Method::GET, "/api/events", Endpoint::GetEvents),
];

impl Endpoint {
    /// Its published limits.
    pub(crate) const fn tier(self) -> Tier {
        match self {
            Self::GetAccounts => XS,
            Self::RequestDeletion => S,
            Self::BulkCreateEvents
            | Self::BulkImportProfiles
            | Self::GetImportJobs
            | Self::GetImportJob
            | Self::GetImportErrors
            | Self::AddToList
            | Self::RemoveFromList => M,
            Self::ImportProfile | Self::Subscribe | Self::GetLists | Self::GetList | Self::GetProfiles => L,
            Self::CreateEvent | Self::GetEvents => XL,
        }
    }

    /// Whether it takes a document.
    pub(crate) const fn takes_body(self) -> bool {
        match self {
            Self::CreateEvent
            | Self::BulkCreateEvents
            | Self::ImportProfile
            | Self::BulkImportProfiles
            | Self::Subscribe
            | Self::AddToList
            | Self::RemoveFromList
            | Self::RequestDeletion => true,
            Self::GetImportJobs
            | Self::GetImportJob
            | Self::GetImportErrors
            | Self::GetAccounts
            | Self::GetLists
            | Self::GetList
            | Self::GetProfiles
            | Self::GetEvents => false,
        }
    }
}

/// Where a request leads.
pub(crate) fn find(method: &Method, path: &str) -> Route {
    let mut known = false;
    for (takes, pattern, endpoint) in &TABLE {
        let Some(id) = id_in(pattern, path) else {
            continue;
        };
        if takes == method {
            return Route::Operation(*endpoint, id.to_owned());
        }
        known = true;
    }
    let legacy = |part| matches!(part, "v1" | "v2" | "track" | "identify");
    if known {
        Route::WrongMethod
    } else if path.split('/').any(legacy) {
        Route::Legacy
    } else {
        Route::Unknown
    }
}

/// The id in a path that fits a pattern; empty for a pattern without one.
fn id_in<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once("{id}") else {
        return (pattern == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}
