//! A Klaviyo with effects as the real one has them, that answers each request by a script: well, badly, late, with
//! any bytes, or not at all. It shares no code with the sandbox, so that no mistake of the sandbox's is repeated.

mod answer;
mod effects;
#[cfg(test)]
mod tests;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::support::{eventually, lasting_port};
pub(crate) use answer::{Answer, End, Endpoint, Fate, Request};
use answer::{Document, Way};
pub(crate) use effects::Effects;
use wire::Wire;

type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// A listening double; it stops with the test.
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    listening: Mutex<Option<CancellationToken>>,
}

struct Shared {
    script: Mutex<Script>,
    fate: Mutex<Fate>,
    effects: Mutex<Effects>,
    /// Cancelled and replaced when all that hangs is released.
    hanging: Mutex<CancellationToken>,
}

impl Double {
    /// One that answers everything as documented, at once.
    pub(crate) async fn start() -> Self {
        let double = Self {
            address: SocketAddr::from(([127, 0, 0, 1], lasting_port())),
            shared: Arc::new(Shared {
                script: Mutex::new(Arc::new(|_| Answer::normal())),
                fate: Mutex::new(Fate::done(Duration::from_secs(1))),
                effects: Mutex::default(),
                hanging: Mutex::default(),
            }),
            listening: Mutex::new(None),
        };
        double.accept().await;
        double
    }

    /// From now on each request is answered by `script`.
    pub(crate) fn script(&self, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(script);
    }

    /// From now on everything is done and answered as documented.
    pub(crate) fn behave(&self) {
        self.script(|_| Answer::normal());
    }

    /// What becomes of the import jobs that are accepted from now on.
    pub(crate) fn fate(&self, fate: Fate) {
        *self.shared.fate.lock().unwrap() = fate;
    }

    /// Hangs up on all that hangs.
    pub(crate) fn release(&self) {
        let hanging = std::mem::take(&mut *self.shared.hanging.lock().unwrap());
        hanging.cancel();
    }

    /// Closes the port and every connection: new connections are refused.
    pub(crate) fn refuse(&self) {
        let listening = self.listening.lock().unwrap().take();
        if let Some(listening) = listening {
            listening.cancel();
        }
    }

    /// Listens, on the same port as before.
    pub(crate) async fn accept(&self) {
        let port = eventually("the double's port is free", || async {
            TcpListener::bind(self.address).await.ok()
        })
        .await;
        let stop = CancellationToken::new();
        *self.listening.lock().unwrap() = Some(stop.clone());
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = accept_all(port, shared) => {}
            }
        });
    }

    /// What requests did so far.
    pub(crate) fn effects(&self) -> MutexGuard<'_, Effects> {
        self.shared.effects.lock().unwrap()
    }

    /// How many requests came to an endpoint.
    pub(crate) fn request_count(&self, endpoint: Endpoint) -> usize {
        self.effects().requests.get(&endpoint).copied().unwrap_or(0)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.refuse();
    }
}

/// Dropped, it drops every connection too.
async fn accept_all(port: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = port.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    drop(stream.set_nodelay(true));
    let mut wire = Wire::new(stream);
    while let Some(request) = wire.request().await {
        let script = Arc::clone(&shared.script.lock().unwrap());
        let answer = script(&request);
        let document = shared.meet(&request, answer.effect);
        if !answer.after.is_zero() {
            sleep(answer.after).await;
        }
        let bytes = match answer.way {
            Way::Documented(headers) => wire::documented(&document, &headers),
            Way::Status(status, headers, body) => wire::bytes(status, &headers, &body),
            Way::Raw(bytes, part, pause) => {
                wire.write(&bytes, part, pause).await;
                return;
            }
            Way::Hang => {
                let released = shared.hanging.lock().unwrap().clone();
                tokio::select! {
                    () = released.cancelled() => {}
                    () = wire.gone() => {}
                }
                return;
            }
            Way::Reset => {
                wire.reset();
                return;
            }
        };
        if wire.write(&bytes, usize::MAX, Duration::ZERO).await.is_none() {
            return;
        }
    }
}

impl Shared {
    /// Counts a request, and applies it if it is to have an effect.
    fn meet(self: &Arc<Self>, request: &Request, effect: bool) -> Document {
        let fate = self.fate.lock().unwrap().clone();
        let mut effects = self.effects.lock().unwrap();
        *effects.requests.entry(request.endpoint).or_default() += 1;
        if !effect {
            return (500, None);
        }
        let (document, job) = effects.apply(request, &fate);
        if let Some(job) = job {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                sleep(fate.after).await;
                shared.effects.lock().unwrap().run_job(job);
            });
        }
        document
    }
}
