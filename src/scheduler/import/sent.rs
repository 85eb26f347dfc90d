//! An import job after its answer: whether Klaviyo may process it, and what is to be watched.

use crate::klaviyo::bulk::{ImportJob, import_job};
use crate::model::{EventId, ImportJobId, Outcome, OutcomeKind, Timestamp};
use crate::outbox::OpenImport;
use crate::scheduler::active::{ActiveEvent, Held};
use crate::scheduler::context::{Context, WriteGaveUp};

/// A job to be watched.
pub(in crate::scheduler) struct Watch {
    pub(in crate::scheduler) job: OpenImport,
    /// The state of the job in the answer to it.
    pub(super) state: Option<ImportJob>,
    /// How much of the window its events used.
    pub(in crate::scheduler) held: Held,
}

impl Watch {
    /// A job from the outbox, at a start.
    pub(in crate::scheduler) fn of(job: OpenImport) -> Self {
        Self {
            job,
            state: None,
            held: Held::default(),
        }
    }
}

/// Whether Klaviyo may process a job after this outcome of its request. A gateway in front of Klaviyo that got no
/// answer, or an incomplete one, from the server behind it (502, 504, 520, 524) does not know whether the job was
/// accepted.
pub(in crate::scheduler) fn may_run(outcome: &Outcome) -> bool {
    match outcome.kind {
        OutcomeKind::Accepted | OutcomeKind::Unknown => true,
        OutcomeKind::Retry => matches!(outcome.http_status, Some(502 | 504 | 520 | 524)),
        OutcomeKind::Refused | OutcomeKind::Stopped | OutcomeKind::Conflict => false,
    }
}

/// What is to be watched of the job `id` that began at `began` and may run. Klaviyo's job id is in the outbox when this returns.
pub(in crate::scheduler) async fn sent<'a>(
    context: &Context,
    (id, began): (ImportJobId, Timestamp),
    batch: impl Iterator<Item = &'a ActiveEvent> + Clone + Send,
    answer: Option<&[u8]>,
) -> Watch {
    let state = answer.and_then(import_job);
    let events: Vec<EventId> = batch.clone().map(|active| active.event.id).collect();
    if let Some(job) = &state {
        let outbox = &context.scheduler.outbox;
        let write = || outbox.import_accepted(id, job.id.clone());
        if let Err(WriteGaveUp) = context.write_until_done("an import job's id", write).await {
            tracing::error!("failed to store the id of an import job; the next start searches for the job");
        }
    } else {
        tracing::warn!(
            items = events.len(),
            "the answer to an import job was lost; the events of its people wait until Klaviyo lists the job's result"
        );
    }
    Watch {
        job: OpenImport {
            id,
            klaviyo_id: state.as_ref().map(|job| job.id.clone()),
            began,
            items: u64::try_from(events.len()).unwrap_or(u64::MAX),
            events,
        },
        state,
        held: Held::by(batch),
    }
}
