//! `klaviyo-relay serve` as a child process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::config::{Config, OutboxConfig};
use klaviyo_relay::outbox::{Counts, Outbox, Status};
use serde_json::Value;
use tempfile::TempDir;

use super::{Klaviyo, eventually, lasting_port};

/// `[klaviyo]` of one that delivers to the sandbox in the program.
const ALONE: &str = "endpoint = \"sandbox\"\nsandbox_listen = \"127.0.0.1:0\"";
/// `[outbox]`, where a test sets nothing else.
const OUTBOX: &str = "path = \"outbox.db\"\nmin_free_disk = 0";

/// A running daemon and its files.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    pub(crate) ingest: SocketAddr,
    pub(crate) admin: SocketAddr,
    files: TempDir,
    client: reqwest::Client,
}

impl Daemon {
    /// Starts one on fresh files, in front of `klaviyo`. `more` is added to its configuration, at first to `[admin]`.
    pub(crate) async fn start(klaviyo: &Klaviyo, more: &str) -> Self {
        Self::start_on(klaviyo, OUTBOX, more).await
    }

    /// As [`Self::start`], with a section `[outbox]` of its own.
    pub(crate) async fn start_on(klaviyo: &Klaviyo, outbox: &str, more: &str) -> Self {
        Self::start_with(klaviyo, "listen = \"127.0.0.1:0\"", outbox, more).await
    }

    /// As [`Self::start_on`], with `ingest` added to that section, on a port that it keeps through its restarts, as
    /// clients with a fixed address need.
    pub(crate) async fn start_staying(klaviyo: &Klaviyo, ingest: &str, more: &str) -> Self {
        let ingest = format!("listen = \"127.0.0.1:{}\"\n{ingest}", lasting_port());
        Self::start_with(klaviyo, &ingest, OUTBOX, more).await
    }

    /// As [`Self::start_on`], with a section `[ingest]` of its own too.
    pub(crate) async fn start_with(klaviyo: &Klaviyo, ingest: &str, outbox: &str, more: &str) -> Self {
        let endpoint = format!(
            "endpoint = \"http://{}\"\nprivate_key = \"pk_sandbox\"",
            klaviyo.address
        );
        Self::start_towards(&endpoint, ingest, outbox, more).await
    }

    /// Starts one on fresh files in front of any other Klaviyo, by its URL. It keeps its port through its restarts.
    pub(crate) async fn start_before(endpoint: &str, more: &str) -> Self {
        let endpoint = format!("endpoint = \"{endpoint}\"\nprivate_key = \"pk_attack\"");
        let ingest = format!("listen = \"127.0.0.1:{}\"", lasting_port());
        let outbox = "path = \"outbox.db\"\nmin_free_disk = 0";
        Self::start_towards(&endpoint, &ingest, outbox, more).await
    }

    /// Starts one on fresh files that delivers to the sandbox in the program.
    pub(crate) async fn start_alone(more: &str) -> Self {
        Self::start_in(files(ALONE, "listen = \"127.0.0.1:0\"", OUTBOX, more)).await
    }

    /// Fresh files for one that delivers to the sandbox in the program.
    pub(crate) fn files_alone() -> TempDir {
        files(ALONE, "listen = \"127.0.0.1:0\"", OUTBOX, "")
    }

    async fn start_towards(endpoint: &str, ingest: &str, outbox: &str, more: &str) -> Self {
        Self::start_in(files(endpoint, ingest, outbox, more)).await
    }

    /// Fresh files for one in front of `klaviyo` whose private key comes from elsewhere.
    pub(crate) fn files_before(klaviyo: &Klaviyo, private_key: &str) -> TempDir {
        let Klaviyo { address, .. } = klaviyo;
        let endpoint = format!("endpoint = \"http://{address}\"\nprivate_key = \"{private_key}\"");
        files(&endpoint, "listen = \"127.0.0.1:0\"", OUTBOX, "")
    }

    /// Starts one on files that are there.
    pub(crate) async fn start_in(files: TempDir) -> Self {
        Self::start_in_under(files, &[]).await
    }

    /// As [`Self::start_in`], under another program such as env.
    pub(crate) async fn start_in_under(files: TempDir, wrapper: &[&str]) -> Self {
        let (child, log, reader, ingest, admin) = spawn(&files, wrapper).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            child,
            log,
            reader: Some(reader),
            ingest,
            admin,
            files,
            client,
        }
    }

    /// Starts it again on the same files, after it ended.
    pub(crate) async fn restart(&mut self) {
        self.restart_under(&[]).await;
    }

    /// As [`Self::restart`], under another program such as strace.
    pub(crate) async fn restart_under(&mut self, wrapper: &[&str]) {
        let (child, log, reader, ingest, admin) = spawn(&self.files, wrapper).await;
        (self.child, self.log, self.reader) = (child, log, Some(reader));
        (self.ingest, self.admin) = (ingest, admin);
    }

    /// As [`Self::restart`], on another port for once.
    pub(crate) async fn restart_elsewhere(&mut self) {
        let path = self.files.path().join("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let elsewhere = config.replacen(&self.ingest.to_string(), "127.0.0.1:0", 1);
        std::fs::write(&path, elsewhere).unwrap();
        self.restart().await;
        std::fs::write(&path, config).unwrap();
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What `/metrics` has for a name without labels.
    pub(crate) async fn counted(&self, name: &str) -> u64 {
        let url = format!("http://{}/metrics", self.admin);
        let answer = self.client.get(url).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("{name} is not in {text}"))
            .parse()
            .unwrap()
    }

    /// A page of the admin port.
    pub(crate) async fn page(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.admin);
        let answer = self.client.get(url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the end in good order.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.end().await
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Puts something else in the place of a text of its configuration, and has it read again; waits until the log has
    /// the result.
    pub(crate) async fn reload(&self, place: &str, what: &str) {
        let path = self.files.path().join("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        assert!(config.contains(place), "{place} is not in {config}");
        std::fs::write(&path, config.replacen(place, what, 1)).unwrap();
        let shown = || self.log().matches("the configuration was ").count();
        let before = shown();
        self.signal("-HUP");
        eventually("the configuration is read again", || async {
            (shown() > before).then_some(())
        })
        .await;
    }

    pub(crate) async fn end(&mut self) -> ExitStatus {
        let child = Mutex::new(&mut self.child);
        eventually("the daemon ends", || async {
            child.lock().unwrap().try_wait().unwrap()
        })
        .await
    }

    /// Posts a call; answers the status and the body.
    pub(crate) async fn post(&self, path: &str, call: &Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.ingest);
        let request = self.client.post(url).basic_auth("dev", Some("")).body(call.to_string());
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        )
    }

    /// As [`Self::send`], with a `traceparent`.
    #[cfg(feature = "otlp-tests")]
    pub(crate) async fn send_traced(&self, path: &str, call: &Value, traceparent: &str) {
        let request = self.client.post(format!("http://{}{path}", self.ingest));
        let request = request.basic_auth("dev", Some("")).header("traceparent", traceparent);
        let answer = request.body(call.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// Posts a call; answers the status, or nothing when the daemon is gone.
    pub(crate) async fn try_post(&self, path: &str, call: &Value) -> Option<u16> {
        let url = format!("http://{}{path}", self.ingest);
        let request = self.client.post(url).basic_auth("dev", Some("")).body(call.to_string());
        request.send().await.ok().map(|answer| answer.status().as_u16())
    }

    /// Posts a call that must be accepted.
    pub(crate) async fn send(&self, path: &str, call: &Value) {
        let (status, answer) = self.post(path, call).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Gets from the admin port.
    pub(crate) async fn look(&self, path: &str) -> (u16, Value) {
        let answer = self
            .client
            .get(format!("http://{}{path}", self.admin))
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        )
    }

    /// Sends a request to the admin port: GET, or POST of a body as JSON.
    pub(crate) async fn request_admin(&self, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("http://{}{path}", self.admin);
        let request = match body {
            None => self.client.get(url),
            Some(body) => self
                .client
                .post(url)
                .header("content-type", "application/json")
                .body(body.to_string()),
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// Runs another command with the same configuration, beside the daemon.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_klaviyo-relay"))
            .arg("--config")
            .arg(self.files.path().join("config.toml"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// As [`Self::command`], left running.
    pub(crate) fn start_command(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_klaviyo-relay"))
            .arg("--config")
            .arg(self.files.path().join("config.toml"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Where its outbox is.
    pub(crate) fn database(&self) -> PathBuf {
        self.files.path().join("outbox.db")
    }

    /// The outbox, opened beside the daemon as a command does.
    pub(crate) async fn outbox(&self) -> Outbox {
        let path = self.files.path().join("config.toml");
        let config: OutboxConfig = Config::load_without_secrets(&path).unwrap().outbox;
        Outbox::attach(&config).await.unwrap()
    }

    /// Waits until nothing waits.
    pub(crate) async fn settled(&self) -> Status {
        let outbox = self.outbox().await;
        let status = eventually("nothing is pending", || async {
            (outbox.pending().await.unwrap() == 0).then_some(())
        });
        status.await;
        let status = outbox.status(SystemClock.now()).await.unwrap();
        outbox.close().await;
        status
    }

    /// All that it logged, after it ended.
    pub(crate) fn last_log(&mut self) -> String {
        let reader = self.reader.take();
        reader.map_or(Ok(()), JoinHandle::join).unwrap();
        self.log()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

/// A folder with a configuration.
fn files(endpoint: &str, ingest: &str, outbox: &str, more: &str) -> TempDir {
    let files = TempDir::new().unwrap();
    let config = format!(
        "[ingest]\n{ingest}\n\n\
         [[ingest.sources]]\nname = \"shop\"\nwrite_key = \"dev\"\nallow = [\"delete\"]\n\n\
         [outbox]\n{outbox}\n\n\
         [klaviyo]\n{endpoint}\n\n\
         [log]\nformat = \"json\"\nfilter = \"info,klaviyo_relay::ingest=debug\"\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n{more}\n"
    );
    std::fs::write(files.path().join("config.toml"), config).unwrap();
    files
}

impl Drop for Daemon {
    #[expect(clippy::print_stdout, reason = "a failing test shows what its daemon logged")]
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            println!("the daemon's log:\n{}", self.log());
        }
    }
}

/// What has counts of events.
pub(crate) trait Counted {
    fn counts(&self) -> &Counts;
}

impl Counted for Counts {
    fn counts(&self) -> &Counts {
        self
    }
}

impl Counted for Status {
    fn counts(&self) -> &Counts {
        &self.overview.counts
    }
}

/// A count by its name in the audit.
pub(crate) fn count(of: &impl Counted, name: &str) -> i64 {
    let audit = of.counts().audit();
    audit.into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// The process, its log and who reads it, and its two ports.
type Started = (Child, Arc<Mutex<Vec<String>>>, JoinHandle<()>, SocketAddr, SocketAddr);

async fn spawn(files: &TempDir, wrapper: &[&str]) -> Started {
    let words: Vec<&str> = wrapper
        .iter()
        .copied()
        .chain([env!("CARGO_BIN_EXE_klaviyo-relay")])
        .collect();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .arg("--config")
        .arg(files.path().join("config.toml"))
        .arg("serve")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let reader = collect(child.stderr.take().unwrap(), Arc::clone(&log));
    let child = Mutex::new(child);
    let (ingest, admin) = eventually("the daemon listens", || async {
        let lines = log.lock().unwrap().clone();
        let ended = child.lock().unwrap().try_wait().unwrap();
        assert!(ended.is_none(), "the daemon ended at once: {lines:?}");
        lines.iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let address = |name: &str| line[name].as_str()?.parse().ok();
            Some((address("ingest")?, address("admin")?))
        })
    })
    .await;
    (child.into_inner().unwrap(), log, reader, ingest, admin)
}

fn collect(stderr: ChildStderr, log: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    })
}
