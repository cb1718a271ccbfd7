//! A worker's process as the server holds it: spoken to through pipes.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::net::unix::pipe;

use super::protocol::{self, Frame};
use crate::lifecycle::nursery::{Death, Kept, Nursery};

/// A running worker. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    jobs: pipe::Sender,
    replies: pipe::Receiver,
    kept: Kept,
}

impl Process {
    /// Starts one.
    ///
    /// # Errors
    /// Where the system refuses another process.
    pub(super) async fn start(nursery: &Nursery, program: &Path) -> io::Result<Self> {
        let mut kept = nursery.start(command(program)).await?;
        let child = kept.child()?;
        let piped = || io::Error::other("it has no pipes");
        let jobs = OwnedFd::from(child.stdin.take().ok_or_else(piped)?);
        let replies = OwnedFd::from(child.stdout.take().ok_or_else(piped)?);
        Ok(Self { jobs: pipe::Sender::from_owned_fd(jobs)?, replies: pipe::Receiver::from_owned_fd(replies)?, kept })
    }

    /// Sends a job and waits for what comes of it.
    ///
    /// # Errors
    /// A worker that is no more, or makes no sense.
    pub(super) async fn ask(&mut self, head: &[u8], payload: &[u8]) -> io::Result<Frame> {
        protocol::send(&mut self.jobs, head, payload).await?;
        protocol::receive(&mut self.replies).await
    }

    /// Its process.
    pub(super) fn id(&self) -> Option<u32> {
        self.kept.id()
    }

    /// True while it has not ended.
    pub(super) fn is_alive(&self) -> bool {
        self.kept.is_alive()
    }

    /// Ends it, and tells how it ended: by itself, where it had ended already.
    pub(super) async fn bury(self) -> Option<Death> {
        self.kept.bury().await
    }
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg0("wellspring")
        .arg(super::COMMAND)
        .arg(std::process::id().to_string())
        // Secrets are in there.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
