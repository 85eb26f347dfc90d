//! Reads claimed events. Where the outbox's file is damaged they are read one by one, so that an unreadable event
//! affects no other.

use crate::model::{EventId, EventStatus, Reason};
use crate::outbox::{ClaimedEvent, Next, ReadError};

use super::context::{Context, WriteGaveUp, error_chain};
use super::policy::Cause;

/// Events that share one database page, or a few. When more than this many cannot be read, and no event of the same
/// batch can, the cause is not a damaged page.
const FEW: usize = 20;

/// Reads claimed events. Also returns the ends of those that were erased or cannot be read, so that no other event waits
/// for them.
pub(super) async fn claimed(context: &Context, ids: &[EventId]) -> Result<(Vec<ClaimedEvent>, Vec<Next>), WriteGaveUp> {
    let outbox = &context.scheduler.outbox;
    let (events, unreadable) = match outbox.claimed(ids).await {
        Ok(events) => (events, Vec::new()),
        Err(error) if error.is_damage() && !error.is_of_the_file() => one_by_one(context, ids, &error).await?,
        Err(error) => {
            outbox.judge(&error);
            return Err(failed(&error));
        }
    };
    if !unreadable.is_empty() {
        damaged(context, unreadable.len()).await;
    }
    let gone = ids.iter().filter(|id| !events.iter().any(|event| event.id == **id));
    let ended = gone.map(|id| {
        let cause = if unreadable.contains(id) {
            Cause::Damaged
        } else {
            Cause::PayloadErased
        };
        Next::Complete {
            event: *id,
            status: EventStatus::Dead,
            reason: Some(Reason::from(&cause)),
            copy_of: None,
            hold: false,
            erase: false,
            now: context.now(),
        }
    });
    let ended = ended.collect();
    Ok((events, ended))
}

/// Records and logs how many events cannot be read.
pub(super) async fn damaged(context: &Context, events: usize) {
    tracing::error!(
        events,
        "the outbox's file is damaged: events on the damaged part cannot be read and are dead; the others go on"
    );
    let noted = context.scheduler.outbox.note_damage(events, context.now()).await;
    if let Err(error) = noted {
        tracing::warn!(error = %error_chain(&error), "failed to store that the file is damaged");
    }
}

/// The events that can be read, and those that cannot.
async fn one_by_one(
    context: &Context,
    ids: &[EventId],
    error: &ReadError,
) -> Result<(Vec<ClaimedEvent>, Vec<EventId>), WriteGaveUp> {
    let outbox = &context.scheduler.outbox;
    let (mut events, mut unreadable) = (Vec::new(), Vec::new());
    for id in ids {
        match outbox.claimed(&[*id]).await {
            Ok(read) => events.extend(read),
            Err(error) if error.is_damage() => unreadable.push(*id),
            Err(error) => return Err(failed(&error)),
        }
    }
    if events.is_empty() && unreadable.len() >= FEW {
        outbox.judge(error);
        return Err(failed(error));
    }
    Ok((events, unreadable))
}

fn failed(error: &ReadError) -> WriteGaveUp {
    tracing::error!(error = %error_chain(error), "failed to read claimed events");
    WriteGaveUp
}
