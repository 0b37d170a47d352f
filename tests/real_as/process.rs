//! The Node process: what it needs, starting it, and leaving nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpSocket;

const START_TIMEOUT: Duration = Duration::from_secs(120);
const REQUIRE: &str = "TOWER_BEARER_REQUIRE_REAL_AS";

/// A running authorization server; it ends when this is dropped, or when the test process does.
#[derive(Debug)]
pub(crate) struct RealServer {
    pub(crate) issuer: String,
    pub(crate) feed: String,
    /// The token that reads the feed.
    pub(crate) bearer: String,
    pub(crate) port: u16,
    child: Child,
    log: Arc<Mutex<String>>,
}

/// Starts one of its own for a test. None where something is missing and nobody insists.
pub(crate) async fn start(options: &str) -> Option<RealServer> {
    let options: Vec<_> = options.split_whitespace().map(str::to_owned).collect();
    if is_possible().await { Some(aside(move || RealServer::start(&options)).await) } else { None }
}

/// The one that tests share which disturb nobody else.
pub(crate) async fn shared() -> Option<&'static RealServer> {
    static SHARED: OnceLock<RealServer> = OnceLock::new();
    let get = || SHARED.get_or_init(|| RealServer::start(&[]));
    if is_possible().await { Some(aside(get).await) } else { None }
}

/// Runs tests that are written for Node. Whether they hold, and what they said.
pub(crate) async fn node_test(file: &'static str) -> Option<(bool, String)> {
    if !is_possible().await {
        return None;
    }
    let run = move || Command::new("node").arg("--test").arg(file).current_dir(home()).output();
    let output = aside(run).await.expect("node was there a moment ago");
    Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Whether everything needed is there. Says so loudly where it is not; libtest captures `eprintln!`, but not this.
async fn is_possible() -> bool {
    static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();
    let Err(missing) = aside(|| PREPARED.get_or_init(|| check_node().and_then(|()| install()))).await else {
        return true;
    };
    assert!(std::env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{REQUIRE}=1, but {missing}");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test} of tests/real_as.rs: {missing}");
    false
}

/// Off the test's own thread, where the resource server goes on meanwhile.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_as")
}

impl RealServer {
    fn start(options: &[String]) -> Self {
        let mut child = Command::new("node")
            .arg("server.mjs")
            .args(options)
            .current_dir(home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node was there a moment ago");
        let log = collect(child.stderr.take().unwrap());
        let ready = first_line(child.stdout.take().unwrap());
        let mut server =
            Self { issuer: String::new(), feed: String::new(), bearer: String::new(), port: 0, child, log };
        let line = ready.recv_timeout(START_TIMEOUT).unwrap_or_default();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            panic!("no ready line within {START_TIMEOUT:?} but {line:?}");
        };
        let text = |name: &str| ready[name].as_str().expect(name).to_owned();
        (server.issuer, server.feed, server.bearer) = (text("issuer"), text("feed"), text("bearer"));
        server.port = ready["port"].as_u64().and_then(|port| port.try_into().ok()).expect("port");
        server
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("server.mjs said: {}", self.log.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// A port where nobody listens, and that nobody else is given: `port`, or any if that is 0. Whoever names it may listen there.
pub(crate) fn hold(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    socket
}

fn first_line(stdout: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        sender.send(line)
    });
    receiver
}

fn collect(stderr: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("\n  {line}"));
        }
    });
    log
}

fn check_node() -> Result<(), String> {
    let output =
        Command::new("node").arg("--version").output().map_err(|error| format!("no node: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= 20) {
        Ok(())
    } else {
        Err(format!("node is {version:?}, and 20 or later is needed"))
    }
}

/// `npm ci`, unless what the lock file says is there. It happens aside and is put into place by renaming, so that two
/// processes may do it at once and one that dies half-way spoils nothing.
fn install() -> Result<(), String> {
    if is_installed() {
        return Ok(());
    }
    let aside = home().join(format!("node_modules.{}", std::process::id()));
    let outcome = install_in(&aside).and_then(|()| put_into_place(&aside));
    let _ = fs::remove_dir_all(&aside);
    outcome
}

fn is_installed() -> bool {
    let modified = |path: &str| fs::metadata(home().join(path)).and_then(|metadata| metadata.modified());
    let installed = modified("node_modules/.package-lock.json");
    installed.is_ok_and(|installed| modified("package-lock.json").is_ok_and(|locked| locked <= installed))
}

fn install_in(aside: &Path) -> Result<(), String> {
    let words = |error: std::io::Error| format!("{}: {error}", aside.display());
    fs::create_dir_all(aside).map_err(words)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(home().join(name), aside.join(name)).map_err(words)?;
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(npm)
        .arg("ci")
        .current_dir(aside)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("no npm: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("npm ci: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}

fn put_into_place(aside: &Path) -> Result<(), String> {
    let place = home().join("node_modules");
    if place.exists() {
        // Whoever moves it first wins; what is old goes with `aside`.
        let _ = fs::rename(&place, aside.join("old"));
    }
    match fs::rename(aside.join("node_modules"), &place) {
        Err(error) if !is_installed() => Err(format!("{}: {error}", place.display())),
        _ => Ok(()),
    }
}
