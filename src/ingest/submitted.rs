//! A call that an operator enters at the admin port: the same checks as for calls that arrive, without the sender's
//! key, because the operator is the sender. May use `config`, `model` and the clock.

use super::accept::{self, Rules};
use super::routes::new_message_id;
use crate::clock::Clock;
use crate::config::{IngestConfig, SourceConfig};
use crate::model::{GarbageIds, NewEvent};

/// The event that is stored for a call of this source that arrives now. `dead` is why a request with only this call
/// would be answered 400. A call without a `messageId` gets `id`, or a random one.
pub fn submitted(
    call: &str,
    source: &SourceConfig,
    config: &IngestConfig,
    garbage: &GarbageIds,
    clock: &dyn Clock,
    id: Option<&str>,
) -> NewEvent {
    let rules = Rules { config, garbage };
    let mut new_id = || id.map_or_else(|| new_message_id(clock), str::to_owned);
    accept::read_single(call, source, rules, clock.now(), &mut new_id)
}
