//! Reports to a supervisor by systemd's protocol (`sd_notify`), when `NOTIFY_SOCKET` names its socket; otherwise does
//! nothing.
//!
//! Promises that readiness is reported when the ports answer, and that the watchdog is notified only while `/healthz`
//! would return 200: a daemon that is stalled is restarted.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Watchdog notifications within the supervisor's time limit.
const SIGNS: u32 = 3;

/// Reports that the ports answer.
pub(super) fn ready() {
    notify(&NotifyState::Ready);
}

/// Reports that the daemon is stopping.
pub(super) fn stopping() {
    notify(&NotifyState::Stopping);
}

/// Sends a watchdog notification.
pub(super) fn alive() {
    notify(&NotifyState::Watchdog);
}

/// Sends watchdog notifications while `is_alive` is true, until `stop`, if the supervisor expects them.
pub(super) async fn watch(is_alive: impl Fn() -> bool, stop: CancellationToken) {
    if let Some(longest) = sd_notify::watchdog_enabled() {
        give(longest / SIGNS, is_alive, alive, stop).await;
    }
}

async fn give(every: Duration, is_alive: impl Fn() -> bool, mut sign: impl FnMut(), stop: CancellationToken) {
    let mut pace = tokio::time::interval(every.max(Duration::from_millis(1)));
    while stop.run_until_cancelled(pace.tick()).await.is_some() {
        if is_alive() {
            sign();
        }
    }
}

fn notify(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!(%error, "the supervisor could not be notified");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn signs_are_given_while_there_is_life() {
        let (looks, signs, stop) = (Cell::new(0), Cell::new(0), CancellationToken::new());
        let is_alive = || {
            looks.set(looks.get() + 1);
            if looks.get() == 6 {
                stop.cancel();
            }
            // Not alive at these two checks.
            ![2, 3].contains(&looks.get())
        };
        let sign = || signs.set(signs.get() + 1);
        give(Duration::from_millis(1), is_alive, sign, stop.clone()).await;
        assert_eq!((looks.get(), signs.get()), (6, 4));
    }
}
