//! Sends what is written down for one receiver, one message after the other, until each has arrived or is given up.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, USER_AGENT};
use ::http::{HeaderName, Method};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{info, warn};
use url::Url;
use wellspring_core::failure::{Code, Failure, Kind};
use wellspring_core::snapshot::Validator;
use wellspring_core::telling::Change;
use wellspring_core::template::Filled;

use super::ledger::{Name, Next};
use super::message::Message;
use super::{Couriers, Hook, Shared, Stage};
use crate::fetch::{FetchError, Fetched, Request};
use crate::lifecycle;

/// How long one attempt may take.
const WITHIN: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const LARGEST: u64 = 64 << 10;
/// How often a message is tried; with the waits between, for some twenty minutes.
const TRIES: u32 = 12;
/// Between the first try and the second; doubled with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, whatever the receiver asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// However far the next message is, a courier looks again after this.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// By which a receiver knows a message that it had already.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One under way.
#[derive(Debug)]
pub(super) struct Courier {
    fingerprint: String,
    stage: watch::Sender<Stage>,
    task: JoinHandle<()>,
}

/// Lets those go that are no longer wanted, or not like this, and starts those that are new. Waits for those that go, who finish
/// what they are sending: two who send the same would tell it twice.
pub(super) async fn exchange(shared: &Arc<Shared>, couriers: &mut Couriers, hooks: &[Arc<Hook>]) {
    let stays = |name: &str, courier: &Courier| hooks.iter().any(|hook| hook.name == name && hook.fingerprint == courier.fingerprint);
    let (stay, gone): (Couriers, Couriers) = std::mem::take(couriers).into_iter().partition(|(name, courier)| stays(name, courier));
    *couriers = stay;
    for courier in gone.values() {
        courier.stage.send_replace(Stage::Ending);
    }
    let mut end = shared.stage.subscribe();
    for mut courier in gone.into_values() {
        tokio::select! {
            _ = &mut courier.task => {}
            () = is_cut(&mut end) => {
                courier.stage.send_replace(Stage::Cut);
                drop(courier.task.await);
            }
        }
    }
    for hook in hooks {
        if !couriers.contains_key(&hook.name) {
            let stage = watch::Sender::new(Stage::Running);
            let task = lifecycle::spawn(run(Arc::clone(shared), Arc::clone(hook), stage.subscribe()));
            couriers.insert(hook.name.clone(), Courier { fingerprint: hook.fingerprint.clone(), stage, task });
        }
    }
}

async fn is_cut(stage: &mut watch::Receiver<Stage>) {
    drop(stage.wait_for(|stage| *stage == Stage::Cut).await);
}

async fn run(shared: Arc<Shared>, hook: Arc<Hook>, mut stage: watch::Receiver<Stage>) {
    let mut changed = shared.changed.subscribe();
    let mut cut = stage.clone();
    while *stage.borrow_and_update() == Stage::Running {
        changed.borrow_and_update();
        let next = shared.ledger.lock().await.next(&hook.name, shared.engine.clock().mono(), LONGEST_NAP);
        match next {
            Next::Send(name, message) => {
                let sending = async {
                    let _place = shared.places.acquire().await;
                    send(&hook, &message).await
                };
                tokio::select! {
                    came = sending => shared.settle(&hook, &name, &message, came).await,
                    () = is_cut(&mut cut) => return,
                }
            }
            Next::Wait(nap) => tokio::select! {
                _ = changed.changed() => {}
                _ = stage.changed() => {}
                () = sleep(nap) => {}
            },
        }
    }
}

/// Sends a message once. The status that it was taken with, or why it was not.
///
/// # Errors
/// As a fetch. None of its words holds a secret.
pub async fn send(hook: &Hook, message: &Message) -> Result<u16, FetchError> {
    let written = message.write(hook);
    let mut headers = vec![(CONTENT_TYPE, Filled::plain(written.media_type)), (IDEMPOTENCY_KEY, Filled::plain(message.id.clone()))];
    headers.push((USER_AGENT, Filled::plain(concat!("wellspring/", env!("CARGO_PKG_VERSION")))));
    headers.extend(written.headers.into_iter().map(|(name, value)| (name, Filled::plain(value))));
    headers.retain(|(name, _)| !hook.headers.iter().any(|(own, _)| own == name));
    headers.extend(hook.headers.iter().cloned());
    let request = Request {
        method: Method::POST,
        url: hook.url.clone(),
        headers,
        body: Some(Bytes::from(written.body)),
        validator: Validator::default(),
        jar: None,
        proxy: hook.proxy.clone(),
        within: WITHIN,
        max_body: LARGEST,
        page: None,
    };
    match hook.fetcher.fetch(&request).await {
        // Nothing that was sent is sent on to another origin: what answered there was asked without the message.
        Ok(Fetched::Body(response)) if !is_at_home(&response.url, hook) => {
            let host = response.url.host_str().unwrap_or("elsewhere").to_owned();
            Err(FetchError::BadRedirect {
                host,
                reason: "the message was not sent on to where `url` redirects: name that address".to_owned(),
            })
        }
        Ok(Fetched::Body(response)) => Ok(response.status),
        // Only a success has a body that is read, and nobody here wants it.
        Ok(_) | Err(FetchError::TooLarge { .. }) => Ok(200),
        Err(error) => Err(error),
    }
}

fn is_at_home(url: &Url, hook: &Hook) -> bool {
    Url::parse(hook.url.expose()).is_ok_and(|asked| asked.origin() == url.origin())
}

/// Whether it may be taken another time. A certificate may be renewed.
fn may_pass(failure: &Failure) -> bool {
    failure.kind == Kind::Retryable || failure.code == Code::TlsFailed
}

impl Shared {
    /// Crosses a message out that has arrived or is given up, or notes when it is tried again.
    async fn settle(&self, hook: &Hook, name: &Name, message: &Message, came: Result<u16, FetchError>) {
        let mut ledger = self.ledger.lock().await;
        // Gone where the key is: then nobody asks any more.
        let Some(note) = ledger.0.get_mut(name).filter(|note| note.pending.front().is_some_and(|first| first.id == message.id)) else {
            return;
        };
        let (notify, key, state) = (&hook.name, &name.1, &message.state);
        let tries = note.tries + 1;
        let refusal = match &came {
            Ok(_) => None,
            Err(error) => {
                let failure = error.failure();
                if may_pass(&failure) && tries < TRIES {
                    let wait = failure.retry_after.unwrap_or_default().max(wait_after(tries)).min(LONGEST_WAIT);
                    if tries == 1 {
                        warn!(notify, %key, state, error = failure.message, "could not be told; it is tried again");
                    }
                    note.tries = tries;
                    note.due = Some(self.engine.clock().mono().after(wait));
                    return;
                }
                if message.state == Change::Degraded.as_str() {
                    note.told.unsay();
                    // Whoever did not hear of the trouble has no use for its end.
                    if note.pending.get(1).is_some_and(|next| next.state == Change::Recovered.as_str()) {
                        note.pending.remove(1);
                    }
                }
                Some(failure.message)
            }
        };
        note.pending.pop_front();
        (note.tries, note.due) = (0, None);
        let text = note.text();
        if text.is_none() {
            ledger.0.remove(name);
        }
        self.write_down(name, text.as_deref()).await;
        drop(ledger);
        // Said once it is true after a restart too.
        let outcome = match refusal {
            None => {
                info!(notify, %key, state, status = came.ok(), tries, "told");
                "delivered"
            }
            Some(error) => {
                warn!(notify, %key, state, error, tries, "could not be told, and is not tried again");
                "failed"
            }
        };
        if let Some(source) = self.engine.catalog().source(name.1.source()) {
            source.tally.count_told(outcome);
        }
    }
}

fn wait_after(tries: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_tried_for_some_twenty_minutes() {
        let whole: Duration = (1..TRIES).map(wait_after).sum();
        assert!((900..2_400).contains(&whole.as_secs()), "{whole:?}");
        assert_eq!((wait_after(1), wait_after(2), wait_after(40)), (FIRST_WAIT, 2 * FIRST_WAIT, LONGEST_WAIT));
    }
}
