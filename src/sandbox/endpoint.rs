//! The endpoints a sandbox has: their paths, methods and published limits.
//!
//! Promises that an unknown path and a wrong method are answered differently, as by Klaviyo. Pure.
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

/// Method, path with `{id}`, operation, limits.
const TABLE: [(Method, &str, Endpoint, Tier); 16] = {
    use Endpoint::{
        AddToList, BulkCreateEvents, BulkImportProfiles, CreateEvent, GetAccounts, GetEvents, GetImportErrors,
        GetImportJob, GetImportJobs, GetList, GetLists, GetProfiles, ImportProfile, RemoveFromList, RequestDeletion,
        Subscribe,
    };
    const POST: Method = Method::POST;
    const GET: Method = Method::GET;
    const DELETE: Method = Method::DELETE;
    const JOBS: &str = "/api/profile-bulk-import-jobs";
    const JOB: &str = "/api/profile-bulk-import-jobs/{id}";
    const ERRORS: &str = "/api/profile-bulk-import-jobs/{id}/import-errors";
    const SUBSCRIBE: &str = "/api/profile-subscription-bulk-create-jobs";
    const MEMBERS: &str = "/api/lists/{id}/relationships/profiles";
    [
        (POST, "/api/events", CreateEvent, XL),
        (POST, "/api/event-bulk-create-jobs", BulkCreateEvents, M),
        (POST, "/api/profile-import", ImportProfile, L),
        (POST, JOBS, BulkImportProfiles, M),
        (GET, JOBS, GetImportJobs, M),
        (GET, JOB, GetImportJob, M),
        (GET, ERRORS, GetImportErrors, M),
        (POST, SUBSCRIBE, Subscribe, L),
        (POST, MEMBERS, AddToList, M),
        (DELETE, MEMBERS, RemoveFromList, M),
        (POST, "/api/data-privacy-deletion-jobs", RequestDeletion, S),
        (GET, "/api/accounts", GetAccounts, XS),
        (GET, "/api/lists", GetLists, L),
        (GET, "/api/lists/{id}", GetList, L),
        (GET, "/api/profiles", GetProfiles, L),
        (GET, "/api/events", GetEvents, XL),
    ]
};

impl Endpoint {
    /// Its published limits.
    pub(crate) fn tier(self) -> Tier {
        let row = TABLE.iter().find(|(_, _, endpoint, _)| *endpoint == self);
        row.map_or(XS, |(_, _, _, tier)| *tier)
    }
}

/// Where a request leads.
pub(crate) fn find(method: &Method, path: &str) -> Route {
    let mut known = false;
    for (takes, pattern, endpoint, _) in &TABLE {
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
