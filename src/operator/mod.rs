//! The operator's requests, for the command line and the admin port: which events are selected, how they are changed,
//! what a call becomes, submitting an entered call, and the JSON of the results.
//!
//! It promises that a change without a filter is rejected, and a change of events in a state that it cannot work on;
//! that a dry run changes nothing; and that both interfaces select the same events by the same filters. Personal data
//! is unmasked: the caller is always the operator. May use `outbox`, `ingest`, `scheduler`, `mapper`, `klaviyo`,
//! `segment`, `model`, `config` and `clock`.

mod advice;
mod change;
mod edited;
mod explain;
mod exported;
mod filter;
mod forget;
mod json;
mod problem;
mod rejected;
mod schema;
mod settings;
mod size;
mod source;
mod status;
mod stored_call;
mod submit;
mod time_expr;

pub use advice::{Advice, advice};
// The read models of the outbox that the pages show: they use this module, and not the outbox.
pub use crate::outbox::reasons::DISCARDED;
pub use crate::outbox::{
    AttemptReport, Blocked, BlockedHead, Brief, Counts, DeadGroup, DeadGroups, DeliveryReport, Disk, EventReport,
    FoundBy, Hit, LimitInUse, Minute, Overview, Page, Pause, ReadError, Reader, RejectedRequests, Replay, Selection,
    SharedIdentifier, SourceRate, Stopped, WaitingEvents, WriteError, last,
};
pub use change::{Change, ChangeError};
pub use edited::{Draft, draft, edited_from};
pub use explain::{ExplainError, Explanation, explain};
pub use exported::exported_line;
pub use filter::{
    Filter, FilterError, Matches, OrderFilter, ProfileFilter, SHOWN, event_number, once, one_of, states_schema,
};
pub use forget::{ErasureReport, ForgetError, find_person, forget, open_events};
pub use json::{ChangedJson, EventJson, event_json};
pub use problem::{Problem, Severity};
pub use rejected::{rejected_last, rejected_sender};
pub use schema::schemas;
pub use settings::ExplainSettings;
pub use size::bytes;
pub use source::SourceError;
pub use status::{StatusJson, status_json};
pub use stored_call::{FieldRule, Remapped, RequestView, StoredCall, awaited, route, stored_call};
pub use submit::{SubmitError, SubmitPreview, Submitted, preview_submit, submit};
pub use time_expr::TimeExpr;
