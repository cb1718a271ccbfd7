//! The Chrome DevTools Protocol over a pair of pipes: JSON messages, each ended by a NUL.
//!
//! Calls are numbered and answered in any order; events go to the session (one page) that they belong to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use crate::lifecycle;

/// The longest message that is read, in bytes: a body of the largest kind, encoded. A browser that says more is left.
const LONGEST: usize = 96 << 20;
/// How many events of one page may wait to be looked at. A page that causes more is out of hand.
const EVENTS: usize = 4_096;

/// A way to speak to a browser. Cheap to clone; the browser is gone when all its calls fail.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    outbox: mpsc::UnboundedSender<Vec<u8>>,
    shared: Arc<Shared>,
}

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// The browser is no more, or made no sense.
    #[error("is gone")]
    Gone,
    /// It says no, in its own words.
    #[error("{0}")]
    Refused(String),
}

/// Something that happened in a page.
#[derive(Debug)]
pub(super) struct Event {
    /// As `Network.responseReceived`.
    pub method: String,
    /// As the protocol has it.
    pub params: Value,
}

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: HashMap<u64, oneshot::Sender<Result<Value, CallError>>>,
    sessions: HashMap<String, mpsc::Sender<Event>>,
    over: bool,
}

#[derive(Deserialize)]
struct Message {
    id: Option<u64>,
    #[serde(rename = "sessionId")]
    session: Option<String>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Value,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Pipe {
    /// Speaks through these until either ends.
    pub(super) fn open(commands: pipe::Sender, messages: pipe::Receiver) -> Self {
        let (outbox, letters) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        lifecycle::spawn(write(commands, letters));
        lifecycle::spawn(read(messages, Arc::clone(&shared)));
        Self { outbox, shared }
    }

    /// Calls a method, of the browser itself or of a session, and waits for what it gives.
    pub(super) async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, CallError> {
        let (sender, answered) = oneshot::channel();
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut inner = self.shared.lock();
            if inner.over {
                return Err(CallError::Gone);
            }
            inner.waiting.insert(id, sender);
        }
        // Whoever stops waiting is forgotten.
        let _forgotten = Forget { shared: &self.shared, id };
        self.send(id, session, method, &params)?;
        answered.await.unwrap_or(Err(CallError::Gone))
    }

    /// Calls a method whose answer nobody waits for.
    pub(super) fn tell(&self, session: Option<&str>, method: &str, params: &Value) {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let _ = self.send(id, session, method, params);
    }

    /// The events of a session from now on. The channel ends with the browser, or when more happens than anyone can look at.
    pub(super) fn listen(&self, session: &str) -> mpsc::Receiver<Event> {
        let (sender, events) = mpsc::channel(EVENTS);
        let mut inner = self.shared.lock();
        if !inner.over {
            inner.sessions.insert(session.to_owned(), sender);
        }
        events
    }

    /// True when the browser is no more.
    pub(super) fn is_over(&self) -> bool {
        self.shared.lock().over
    }

    /// Forgets a session.
    pub(super) fn ignore(&self, session: &str) {
        self.shared.lock().sessions.remove(session);
    }

    fn send(&self, id: u64, session: Option<&str>, method: &str, params: &Value) -> Result<(), CallError> {
        let mut message = json!({"id": id, "method": method, "params": params});
        if let (Some(session), Some(object)) = (session, message.as_object_mut()) {
            object.insert("sessionId".to_owned(), session.into());
        }
        let mut letter = message.to_string().into_bytes();
        letter.push(0);
        self.outbox.send(letter).map_err(|_| CallError::Gone)
    }
}

struct Forget<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.lock().waiting.remove(&self.id);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, message: Message) {
        let mut inner = self.lock();
        if let Some(id) = message.id {
            let answer = message.error.map_or(Ok(message.result), |refusal| Err(CallError::Refused(refusal.message)));
            if let Some(waiting) = inner.waiting.remove(&id) {
                let _ = waiting.send(answer);
            }
        } else if let (Some(session), Some(method)) = (message.session, message.method) {
            let event = Event { method, params: message.params };
            if inner.sessions.get(&session).is_some_and(|events| events.try_send(event).is_err()) {
                inner.sessions.remove(&session);
            }
        }
    }

    /// Fails everyone who waits, now and later.
    fn end(&self) {
        let mut inner = self.lock();
        inner.over = true;
        inner.sessions.clear();
        for (_, waiting) in inner.waiting.drain() {
            let _ = waiting.send(Err(CallError::Gone));
        }
    }
}

async fn write(mut commands: pipe::Sender, mut letters: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(letter) = letters.recv().await {
        if commands.write_all(&letter).await.is_err() {
            return;
        }
    }
}

async fn read(mut messages: pipe::Receiver, shared: Arc<Shared>) {
    let mut held = Vec::new();
    // Up to where there is no NUL.
    let mut searched = 0;
    while held.len() <= LONGEST && matches!(messages.read_buf(&mut held).await, Ok(n) if n > 0) {
        let mut start = 0;
        while let Some(length) = held[searched..].iter().position(|byte| *byte == 0) {
            let end = searched + length;
            // What is no message is nobody's.
            if let Ok(message) = serde_json::from_slice(&held[start..end]) {
                shared.deliver(message);
            }
            start = end + 1;
            searched = start;
        }
        held.drain(..start);
        searched = held.len();
        if held.is_empty() && held.capacity() > 1 << 20 {
            held = Vec::new();
        }
    }
    shared.end();
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    /// A pipe whose other end is held here.
    fn opened() -> (Pipe, pipe::Receiver, pipe::Sender) {
        let pair = || {
            let (read, write) = std::io::pipe().unwrap();
            (OwnedFd::from(read), OwnedFd::from(write))
        };
        let ((commands_out, commands_in), (messages_out, messages_in)) = (pair(), pair());
        let sender = |fd| pipe::Sender::from_owned_fd(fd).unwrap();
        let receiver = |fd| pipe::Receiver::from_owned_fd(fd).unwrap();
        (Pipe::open(sender(commands_in), receiver(messages_out)), receiver(commands_out), sender(messages_in))
    }

    async fn said(commands: &mut pipe::Receiver) -> Value {
        let mut letter = Vec::new();
        while letter.last() != Some(&0) {
            letter.push(commands.read_u8().await.unwrap());
        }
        letter.pop();
        serde_json::from_slice(&letter).unwrap()
    }

    #[tokio::test]
    async fn answers_find_their_calls_and_events_their_session() {
        let (pipe, mut commands, mut messages) = opened();
        let mut events = pipe.listen("S");
        let browser = async {
            let (first, second) = (said(&mut commands).await, said(&mut commands).await);
            assert_eq!((&first["method"], &second["sessionId"]), (&json!("A.first"), &json!("S")));
            let letters = [
                json!({"id": second["id"], "error": {"code": -1, "message": "no"}}),
                json!({"method": "Network.x", "sessionId": "S", "params": {"n": 1}}),
                json!({"method": "Network.x", "sessionId": "other", "params": {}}),
                json!({"id": first["id"], "result": {"ok": true}}),
            ];
            let text = letters.map(|letter| format!("{letter}\0")).concat();
            // In two pieces, which part a message.
            let (head, tail) = text.as_bytes().split_at(90);
            messages.write_all(head).await.unwrap();
            messages.write_all(tail).await.unwrap();
        };
        let calls = async { tokio::join!(pipe.call(None, "A.first", json!({})), pipe.call(Some("S"), "A.second", json!({}))) };
        let ((first, second), ()) = tokio::join!(calls, browser);
        assert_eq!((first, second), (Ok(json!({"ok": true})), Err(CallError::Refused("no".to_owned()))));
        let event = events.recv().await.unwrap();
        assert_eq!((event.method.as_str(), event.params), ("Network.x", json!({"n": 1})));
    }

    #[tokio::test]
    async fn the_end_fails_everyone() {
        let (pipe, mut commands, messages) = opened();
        let mut events = pipe.listen("S");
        let ends = async {
            said(&mut commands).await;
            drop(messages);
        };
        let (waiting, ()) = tokio::join!(pipe.call(None, "A.b", json!({})), ends);
        assert_eq!(waiting, Err(CallError::Gone));
        assert!(events.recv().await.is_none());
        assert_eq!(pipe.call(None, "A.b", json!({})).await, Err(CallError::Gone));
        assert!(pipe.listen("T").recv().await.is_none());
    }

    #[tokio::test]
    async fn a_session_that_causes_too_much_ends_alone() {
        let (pipe, _commands, _messages) = opened();
        let (mut loud, mut quiet) = (pipe.listen("loud"), pipe.listen("quiet"));
        let event = |session: &str| {
            let message = json!({"method": "Network.x", "sessionId": session, "params": {}});
            pipe.shared.deliver(serde_json::from_value(message).unwrap());
        };
        (0..=EVENTS).for_each(|_| event("loud"));
        event("quiet");
        let mut seen = 0;
        while loud.recv().await.is_some() {
            seen += 1;
        }
        assert_eq!(seen, EVENTS);
        assert!(quiet.recv().await.is_some());
    }
}
