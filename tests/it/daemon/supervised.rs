//! Under a supervisor, with systemd's protocol of notifications.

use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixDatagram;

use crate::support::Daemon;

/// With room for a busy machine.
const SOON: Duration = Duration::from_mins(1);

async fn received(socket: &UnixDatagram, expected: &str) {
    let receive = async {
        let mut message = [0; 256];
        loop {
            let length = socket.recv(&mut message).await.unwrap();
            if message[..length] == *format!("{expected}\n").as_bytes() {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(SOON, receive).await;
    in_time.unwrap_or_else(|_| panic!("never received {expected}"));
}

#[tokio::test]
async fn a_supervisor_is_notified_of_the_start_the_heartbeats_and_the_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut daemon = Daemon::start_alone("").await;
    daemon.terminate().await;
    let notify = format!("NOTIFY_SOCKET={}", path.display());
    daemon.restart_under(&["env", &notify, "WATCHDOG_USEC=300000"]).await;
    received(&socket, "READY=1").await;
    for _sign in 0..3 {
        received(&socket, "WATCHDOG=1").await;
    }
    daemon.terminate().await;
    received(&socket, "STOPPING=1").await;
}
