//! Updates the queues when the list of ids that identify nobody has changed.

use crate::model::GarbageIds;
use crate::outbox::Control;

/// Removes the waiting events from the queues of ids that identify nobody, and logs their number.
pub(super) async fn dissolve(outbox: &Control, garbage: &GarbageIds) {
    match outbox.dissolve(garbage).await {
        Ok(0) => {}
        Ok(events) => tracing::info!(
            events,
            "what waited in the queues of `mapping.garbage_ids` waits for its own people alone"
        ),
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(
                error,
                "what waits in the queues of `mapping.garbage_ids` stays there until the next reload"
            );
        }
    }
}
