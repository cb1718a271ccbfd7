//! Two tasks beside the calls: one keeps the connection for commands, one listens to what others change.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, PushInfo, PushKind, RedisResult, Value, cmd, pipe};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use wellspring_core::key::Key;

use super::fault::{self, Fault};
use super::link::{CONNECT, Link, State, Wire};
use super::names;
use super::scripts::{Call, FORMAT, RELEASE};
use crate::store::Change;

/// Between two looks at a connection, and the longest between two tries to get one.
const LOOK: Duration = Duration::from_secs(1);
/// Between the first two tries; doubled after each.
const SOON: Duration = Duration::from_millis(50);

/// Connects, looks whether the connection holds, connects again.
pub(super) async fn keep(link: Arc<Link>) {
    let mut state = link.state.subscribe();
    let mut delay = SOON;
    loop {
        let now = state.borrow_and_update().clone();
        match now {
            State::Closed => return,
            State::Up(_) => {
                delay = SOON;
                let looked = async {
                    check(&link).await;
                    sleep(LOOK).await;
                };
                tokio::select! {
                    () = looked => {}
                    _ = state.changed() => {}
                }
            }
            State::Joining | State::Down(_) => {
                let Err(fault) = join(&link).await else { continue };
                link.failed(None, &fault);
                link.settle(State::Down(fault));
                tokio::select! {
                    () = sleep(delay) => {}
                    () = link.closed() => return,
                }
                delay = (delay * 2).min(LOOK);
            }
        }
    }
}

/// Makes a connection and looks at what lies there.
pub(super) async fn join(link: &Link) -> Result<(), Fault> {
    let joining = async {
        let mut connection = link.address.connect().await.map_err(|error| Fault::of(&error))?;
        let refused = greet(&mut connection).await?;
        Ok((connection, refused))
    };
    let (connection, refused) = timeout(CONNECT, joining).await.unwrap_or_else(|_| Err(Fault::late()))?;
    let (number, again) = (link.next_number(), link.fault().is_some());
    link.settle(State::Up(Wire { number, connection }));
    match refused {
        Some(fault) => link.failed(Some(number), &fault),
        None => link.recovered(),
    }
    if again {
        // An answer that was lost may have been the only news of what it did.
        link.hint(Change::Missed);
    }
    bury(link).await;
    Ok(())
}

/// Whether what lies there is ours and whether it may be written; what refuses writes only is no reason not to read.
async fn greet(connection: &mut MultiplexedConnection) -> Result<Option<Fault>, Fault> {
    recognize(connection).await?;
    match mark(connection).await {
        Ok(()) => Ok(None),
        Err(error) => match Fault::of(&error) {
            refused @ (Fault::Refused(_) | Fault::Replica) => Ok(Some(refused)),
            other => Err(other),
        },
    }
}

/// What tells whether what lies there is ours: the names of the whole, and what they should be.
const WHOLE: [(&str, &str); 3] = [(names::FORMAT, "string"), (names::SOURCES, "set"), (names::NOTES, "hash")];

/// What is asked to recognize it, in one round trip.
fn signs() -> Pipeline {
    let mut signs = pipe();
    for (name, _) in WHOLE {
        signs.cmd("TYPE").arg(name);
    }
    // Unlike GET it fails on nothing that lies there.
    signs.cmd("MGET").arg(names::FORMAT);
    signs
}

type Signs = (String, String, String, [Option<Vec<u8>>; 1]);

fn recognized((format, sources, notes, [number]): Signs) -> Result<(), Fault> {
    for ((name, expected), kind) in WHOLE.into_iter().zip([format, sources, notes]) {
        if kind != "none" && kind != expected {
            return Err(Fault::Unusable(fault::foreign(name, &kind)));
        }
    }
    let Some(number) = number else { return Ok(()) };
    let number = String::from_utf8_lossy(&number);
    if number.parse().is_ok_and(|number: i64| (1..=FORMAT).contains(&number)) {
        return Ok(());
    }
    Err(Fault::Unusable(fault::newer("the store", &number)))
}

/// Whether what lies there is ours, and no newer than we know.
pub(super) async fn recognize(connection: &mut MultiplexedConnection) -> Result<(), Fault> {
    recognized(signs().query_async(connection).await.map_err(|error| Fault::of(&error))?)
}

/// Writes the format where there is none: what a server that takes no writes refuses in any case.
async fn mark(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let written: Value = cmd("SET").arg(names::FORMAT).arg(FORMAT).arg("NX").query_async(connection).await?;
    drop(written);
    Ok(())
}

/// Whether what lies there is still ours; after a refusal, a write that changes nothing.
async fn check(link: &Link) {
    // While there is none, one is being made, and looked at then.
    let Some(number) = link.number() else { return };
    let looked = link.look_at_all::<Signs>(&signs(), 0).await;
    let recognized = looked.and_then(recognized);
    if let Err(fault @ Fault::Unusable(_)) = &recognized {
        link.failed(Some(number), fault);
        return;
    }
    let refused = matches!(&*link.fault(), Some(Fault::Refused(_) | Fault::Replica));
    if refused && recognized.is_ok() {
        // What came of it is known to the link.
        drop(link.change(cmd("SET").arg(names::FORMAT).arg(FORMAT).arg("NX")).await);
    }
    bury(link).await;
}

/// Gives back leases that may have been granted to nobody. Broken off, it is taken up again with the next look.
async fn bury(link: &Link) {
    loop {
        let next = link.orphans().last().cloned();
        let Some((key, owner)) = next else { return };
        let mut call = Call::of(&RELEASE, &key, &link.speaker);
        call.arg(format!("{owner:032x}:"));
        if link.script(&call).await.is_err() {
            return;
        }
        link.orphans().retain(|(_, other)| *other != owner);
    }
}

/// An ear at what others say.
pub(super) struct Ear {
    connection: MultiplexedConnection,
    gone: Arc<Notify>,
}

/// Begins to listen.
pub(super) async fn ear(link: &Arc<Link>) -> Result<Ear, Fault> {
    let gone = Arc::new(Notify::new());
    let (lost, heard) = (Arc::clone(&gone), Arc::downgrade(link));
    let listening = async {
        let mut connection = link
            .address
            .listen(move |push| {
                let Some(link) = heard.upgrade() else { return };
                match push.kind {
                    PushKind::Disconnection => lost.notify_one(),
                    PushKind::Message => hear(&link, &push),
                    _ => {}
                }
            })
            .await?;
        connection.subscribe(&link.speaker.channel).await?;
        Ok(connection)
    };
    let connection = timeout(CONNECT, listening).await.map_err(|_| Fault::late())?.map_err(|error: redis::RedisError| Fault::of(&error))?;
    Ok(Ear { connection, gone })
}

/// Listens on and on.
pub(super) async fn listen(link: Arc<Link>, mut ear: Option<Ear>) {
    let mut delay = SOON;
    while !link.is_closed() {
        let Some(Ear { mut connection, gone }) = ear.take() else {
            match self::ear(&link).await {
                Ok(begun) => {
                    ear = Some(begun);
                    delay = SOON;
                    link.hint(Change::Missed);
                }
                Err(fault) => {
                    tracing::debug!(why = fault.why(), "hints are not heard");
                    tokio::select! {
                        () = sleep(delay) => {}
                        () = link.closed() => return,
                    }
                    delay = (delay * 2).min(LOOK);
                }
            }
            continue;
        };
        let holds = async {
            loop {
                sleep(LOOK * 2).await;
                let ping: Result<RedisResult<Value>, _> = timeout(CONNECT, cmd("PING").query_async(&mut connection)).await;
                if !matches!(ping, Ok(Ok(_))) {
                    return;
                }
            }
        };
        tokio::select! {
            () = holds => {}
            () = gone.notified() => {}
            () = link.closed() => return,
        }
        // The other connection has most likely gone the same way.
        check(&link).await;
    }
}

fn hear(link: &Link, push: &PushInfo) {
    let Some(Value::BulkString(text)) = push.data.get(1) else { return };
    if let Some(change) = std::str::from_utf8(text).ok().and_then(|text| change(text, &link.speaker.origin)) {
        link.hint(change);
    }
}

/// What another store says has changed: its name, a word, the revision where there is one, the key.
fn change(text: &str, own: &str) -> Option<Change> {
    let (origin, rest) = text.split_once(' ')?;
    if origin == own {
        return None;
    }
    let (word, rest) = rest.split_once(' ')?;
    let key = |text: &str| Key::parse(text).ok();
    match word {
        "started" => key(rest).map(Change::Started),
        "ended" => key(rest).map(Change::Ended),
        "touched" => key(rest).map(Change::Touched),
        "recorded" => key(rest).map(Change::Recorded),
        "revision" => {
            let (revision, rest) = rest.split_once(' ')?;
            Some(Change::Revision(key(rest)?, revision.parse().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use wellspring_core::key::Key;

    use super::change;
    use crate::store::Change;

    #[test]
    fn hints_are_read_and_ones_own_left_out() {
        let key = Key::parse("trend?geo=ID").unwrap();
        assert_eq!(change("b touched trend?geo=ID", "a"), Some(Change::Touched(key.clone())));
        assert_eq!(change("b revision 7 trend?geo=ID", "a"), Some(Change::Revision(key, 7)));
        for nonsense in ["a touched trend?geo=ID", "b revision x trend?geo=ID", "b danced trend", "b touched ", "", "b"] {
            assert_eq!(change(nonsense, "a"), None, "{nonsense}");
        }
    }
}
