//! The server in a process of its own, so that its memory is its own.

use mana_sync::server::{Server, Settings};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The word that makes this program a server.
pub const SERVE: &str = "serve";

/// Serves until the standard input ends: however the other process goes, this one does, too.
pub async fn serve(urls: &[String]) {
    let mut settings = Settings::dev(urls[0].clone());
    settings.postgres_url = urls.get(1).cloned();
    let server = Server::start(settings).await.expect("a server");
    println!("http://{}", server.address());
    let mut rest = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut rest).await;
    server.stop().await;
}

pub struct ServerProcess {
    url: String,
    child: Child,
}

impl ServerProcess {
    /// Starts this program as a server over these databases.
    pub async fn start(urls: &[String]) -> Self {
        let program = std::env::current_exe().expect("a path");
        let mut command = Command::new(program);
        command.arg(SERVE).args(urls).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let url = lines.next_line().await.expect("it says something").expect("it says where it listens");
        Self { url, child }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How much memory it holds, in bytes.
    pub fn memory(&self) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().await.expect("it ends");
    }
}
