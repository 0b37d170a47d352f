//! The gateway's process: where it is, what it says, and that it does not outlive its test.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};
use std::{env, fs};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::folder::Folder;
use crate::setup::within;

/// A running gateway; killed when this is dropped.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    pub(crate) admin: u16,
    child: Child,
    dir: Dir,
}

impl Gateway {
    /// Starts one with this configuration, and returns when it listens.
    pub(crate) async fn start(config: &str) -> Self {
        let dir = Dir::new();
        Self::start_in(dir, config).await
    }

    /// As [`Gateway::start`], in a directory with files that the configuration names.
    pub(crate) async fn start_in(dir: Dir, config: &str) -> Self {
        Self::start_under(None, dir, config).await
    }

    /// As [`Gateway::start_in`], with a file that the environment names.
    pub(crate) async fn start_under(named: Option<(&str, PathBuf)>, dir: Dir, config: &str) -> Self {
        let log = fs::File::create(dir.log()).unwrap();
        fs::write(dir.config(), config).unwrap();
        let mut command = command();
        let command = command.arg(dir.config()).envs(named).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the gateway's first line", lines.next_line()).await.unwrap();
        let words = line.unwrap_or_else(|| panic!("it ended: {}", fs::read_to_string(dir.log()).unwrap()));
        let ["listening", "on", address, "admin", admin] = words.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{words:?}")
        };
        let port = |address: &str| address.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
        Self { port: port(address), admin: port(admin), child, dir }
    }

    pub(crate) async fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id().unwrap());
        let status = Command::new("sh").args(["-c", &kill]).status().await.unwrap();
        assert!(status.success(), "{kill}");
    }

    /// Ends it as the kernel does, at once and without a word, and leaves its files.
    pub(crate) async fn kill(mut self) -> Dir {
        self.child.kill().await.unwrap();
        self.dir
    }

    /// Waits for the end, and returns the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        within("the gateway's end", self.child.wait()).await.unwrap().code()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.log()).unwrap()
    }
}

/// Runs one that ends by itself.
pub(crate) async fn run(dir: &Dir, config: &str) -> Output {
    fs::write(dir.config(), config).unwrap();
    run_with(&[dir.config().to_str().unwrap()]).await
}

/// As [`run`], with these arguments.
pub(crate) async fn run_with(arguments: &[&str]) -> Output {
    let output = command().args(arguments).output();
    within("the end of a gateway that cannot start", output).await.unwrap()
}

fn command() -> Command {
    let mut command = Command::new(binary());
    command.env("RUST_LOG", "gateway=trace,tower_bearer=trace").kill_on_drop(true);
    command
}

/// The example beside this test: `target/PROFILE/examples/gateway`.
fn binary() -> PathBuf {
    let own = env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("examples/gateway").with_extension(env::consts::EXE_EXTENSION);
    let remedy = "build it first: cargo build --example gateway, with the profile of this test";
    let Ok(built) = fs::metadata(&binary) else { panic!("{} is not there; {remedy}", binary.display()) };
    assert!(built.modified().unwrap() >= newest_source(), "{} is out of date; {remedy}", binary.display());
    binary
}

fn newest_source() -> SystemTime {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway");
    let files = fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    let rust = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|file| fs::metadata(file).unwrap().modified().unwrap()).max().unwrap()
}

/// The configuration's directory; gone when this is.
pub(crate) struct Dir(Folder);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(Folder::new())
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn config(&self) -> PathBuf {
        self.0.join("gateway.toml")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}

/// Longer than anything here takes on a busy machine; nobody who passes waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
