//! Under a supervisor that is told by systemd's protocol.

use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixDatagram;

use crate::support::Daemon;

/// With room for a busy machine.
const SOON: Duration = Duration::from_mins(1);

async fn heard(socket: &UnixDatagram, expected: &str) {
    let hear = async {
        let mut message = [0; 256];
        loop {
            let length = socket.recv(&mut message).await.unwrap();
            if message[..length] == *format!("{expected}\n").as_bytes() {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(SOON, hear).await;
    in_time.unwrap_or_else(|_| panic!("never heard {expected}"));
}

#[tokio::test]
async fn a_supervisor_is_told_of_the_start_of_life_and_of_the_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut daemon = Daemon::start_alone("").await;
    daemon.terminate().await;
    let notify = format!("NOTIFY_SOCKET={}", path.display());
    daemon.restart_under(&["env", &notify, "WATCHDOG_USEC=300000"]).await;
    heard(&socket, "READY=1").await;
    for _sign in 0..3 {
        heard(&socket, "WATCHDOG=1").await;
    }
    daemon.terminate().await;
    heard(&socket, "STOPPING=1").await;
}
