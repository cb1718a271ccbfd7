//! `wellspring __worker`: the child in which bodies are read. See `engine/worker` for the parent.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, stdin, stdout};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use wellspring_core::failure::{Code, Failure};
use wellspring_core::snapshot::Digest;
use wellspring_extract::{Body, Compiled, Context, ExtractError, Rows, STACK};

use super::{BAD_CONFIG, BROKEN};
use crate::engine::worker::COMMAND;
use crate::engine::worker::protocol::{self, Frame, Job, MAX_PAYLOAD, Outcome, Reply, Task};
use crate::lifecycle;

mod confine;

/// Runs the worker where the command line asks for it.
pub(super) fn run_if_meant() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|arg| arg != COMMAND) {
        return None;
    }
    let parent = args.next().and_then(|arg| arg.to_str()?.parse().ok());
    let Some(parent) = parent.filter(|_| !stdin().is_terminal()) else {
        eprintln!("error: `{COMMAND}` is internal: the server starts it for itself, to read bodies in; see `wellspring --help`");
        return Some(ExitCode::from(BAD_CONFIG));
    };
    Some(run(parent))
}

fn run(parent: i32) -> ExitCode {
    let ended = confine::this_process(parent).and_then(|()| {
        // Used up, it ends this process and not the server. It takes memory only where it is used.
        let working = lifecycle::thread_with_stack("extraction", STACK, work)?;
        // What it said of a panic stands in the pipe already.
        working.join().unwrap_or_else(|_| Err(io::Error::other("the thread that extracts panicked")))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(BROKEN)
        }
    }
}

/// Does jobs until there are no more.
fn work() -> io::Result<()> {
    confine::this_thread();
    // Without the standard handles' own buffers: a body is read into where it stays.
    let mut jobs = File::from(stdin().as_fd().try_clone_to_owned()?);
    let mut replies = File::from(stdout().as_fd().try_clone_to_owned()?);
    let mut shelf = Shelf::default();
    while let Some(frame) = protocol::read(&mut jobs)? {
        confine::allow_one_job();
        let (outcome, payload) = shelf.answer(&frame).unwrap_or_else(|failure| (Outcome::Failed(failure), Vec::new()));
        // Before the reply, so that what the body took is not counted with what it gave.
        drop(frame);
        let reply = Reply { outcome, resident: confine::resident() };
        protocol::write(&mut replies, &serde_json::to_vec(&reply)?, &payload)?;
    }
    Ok(())
}

/// Rules compiled so far. The parent says what to forget, so it knows what is here.
#[derive(Default)]
struct Shelf(HashMap<Digest, Compiled>);

impl Shelf {
    fn answer(&mut self, frame: &Frame) -> Result<(Outcome, Vec<u8>), Failure> {
        let job: Job<'_> = serde_json::from_slice(&frame.head).map_err(|e| confused(&e.to_string()))?;
        if job.forget {
            self.0.clear();
        }
        if let Some(rules) = &job.definition {
            let compiled = Compiled::compile(rules).map_err(|e| confused(&e.to_string()))?;
            self.0.insert(job.rules, compiled);
        }
        let compiled = self.0.get(&job.rules).ok_or_else(|| confused("rules that were never sent"))?;
        let context = Context { now: job.now, values: &job.values };
        let failed = |e: ExtractError| e.failure();
        let extraction = match &job.task {
            Task::Read(origin) => {
                let rows = compiled.read(&body(origin, frame), &context).map_err(failed)?;
                return Ok((Outcome::Rows(rows.fields), encoded(&rows.rows)?));
            }
            Task::Extract(origin) => compiled.extract(&body(origin, frame), &context),
            Task::Finish(fields) => {
                let rows = serde_json::from_slice(&frame.payload);
                let rows = rows.map_err(|e| Failure::permanent(Code::ExtractFailed, format!("the rows cannot be finished: {e}")))?;
                compiled.finish(Rows { rows, fields: fields.to_vec() }, &context)
            }
        };
        let extraction = extraction.map_err(failed)?;
        Ok((Outcome::Items { tally: extraction.tally, report: extraction.report }, encoded(&extraction.rows)?))
    }
}

fn body<'a>(origin: &'a protocol::Origin<'_>, frame: &'a Frame) -> Body<'a> {
    Body { bytes: &frame.payload, content_type: origin.content_type.as_deref(), url: &origin.url }
}

fn encoded(rows: &[serde_json::Value]) -> Result<Vec<u8>, Failure> {
    let encoded = serde_json::to_vec(rows).map_err(|e| confused(&e.to_string()))?;
    if encoded.len() > MAX_PAYLOAD {
        let words = format!("the items come to more than {} MiB, which is not kept", MAX_PAYLOAD >> 20);
        return Err(Failure::permanent(Code::ExtractFailed, words));
    }
    Ok(encoded)
}

fn confused(why: &str) -> Failure {
    Failure::permanent(Code::ExtractFailed, format!("the process that extracts does not understand its job: {why}"))
}
