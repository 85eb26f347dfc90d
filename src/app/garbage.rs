//! Updates the queues when the list of ids that identify nobody has changed.

use crate::model::GarbageIds;
use crate::outbox::Control;

/// Removes the waiting events from the queues of ids that identify nobody, and logs their number.
pub(super) async fn dissolve(outbox: &Control, garbage: &GarbageIds) {
    match outbox.dissolve(garbage).await {
        Ok(0) => {}
        Ok(events) => tracing::info!(
            events,
            "events were removed from the queues of `mapping.garbage_ids`: they wait for their own people only"
        ),
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(
                error,
                "events stay in the queues of `mapping.garbage_ids` until the next reload"
            );
        }
    }
}
