//! What the user may do there, found out without doing it: Redis judges a command as if it were run (`ACL DRYRUN`), or while it is
//! put into a transaction that is then dropped.

use std::collections::BTreeSet;

use redis::{Cmd, cmd};

use super::Eye;
use crate::store::redis::fault::Fault;
use crate::store::redis::names;

/// What a user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// All that is needed.
    All {
        /// Who that is, where it may be known.
        user: Option<String>,
    },
    /// Not all.
    Missing {
        /// Who that is, where it may be known.
        user: Option<String>,
        /// The rules that are missing, as `ACL SETUSER` takes them.
        rules: Vec<String>,
    },
    /// It could not be seen.
    Unseen,
}

/// What is asked of a server by us, the commands in scripts among it, each as it would be written. None of it is run.
const NEEDED: &[&str] = &[
    "ping",
    "type ws:format",
    "set ws:format 1 nx",
    "get ws:format",
    "sadd ws:sources s",
    "smembers ws:sources",
    "hgetall ws:notes",
    "hget ws:{s}:e:s f",
    "hset ws:notes n t",
    "hdel ws:notes n",
    "hscan ws:{s}:m 0",
    "hkeys ws:{s}:h:s",
    "hlen ws:{s}:m",
    "hincrby ws:{s}:e:s version 1",
    "mget ws:{s}:l:s",
    "exists ws:{s}:l:s",
    "del ws:{s}:l:s",
    "incr ws:{s}:f",
    "pexpire ws:{s}:l:s 1",
    "pexpireat ws:{slot:h}:s 1",
    "pttl ws:{slot:h}:p",
    "zadd ws:{slot:h}:s 1 o",
    "zcard ws:{slot:h}:s",
    "zrange ws:{slot:h}:s -1 -1",
    "zrem ws:{slot:h}:s o",
    "zscore ws:{slot:h}:s o",
    "zremrangebyscore ws:{slot:h}:s 1 1",
    "time",
    "eval return 0",
    "evalsha 0000000000000000000000000000000000000000 0",
];

fn commands(database: i64) -> impl Iterator<Item = (String, Vec<String>)> {
    let channel = names::channel(database);
    let hints = [format!("publish {channel} hint"), format!("subscribe {channel}")];
    NEEDED.iter().map(|&text| text.to_owned()).chain(hints).map(|text| {
        let mut words = text.split(' ').map(str::to_owned);
        (words.next().unwrap_or_default(), words.collect())
    })
}

pub(super) async fn look(eye: &mut Eye<'_>, database: i64) -> Permissions {
    let user: Option<String> = eye.ask(cmd("ACL").arg("WHOAMI")).await.ok();
    let mut rules = BTreeSet::new();
    if let Some(user) = &user
        && eye.ask::<String>(&dry(user, "ping", &[])).await.is_ok()
    {
        for (name, arguments) in commands(database) {
            match eye.ask::<String>(&dry(user, &name, &arguments)).await {
                Ok(said) if said == "OK" => {}
                Ok(said) => drop(rules.insert(rule(&name, &said, database))),
                Err(Fault::Refused(why) | Fault::Failed(why)) => drop(rules.insert(rule(&name, &why, database))),
                Err(_) => return Permissions::Unseen,
            }
        }
        return judged(Some(user.clone()), rules);
    }
    if eye.ask::<redis::Value>(&cmd("MULTI")).await.is_err() {
        return Permissions::Unseen;
    }
    let mut unseen = false;
    for (name, arguments) in commands(database) {
        match eye.ask::<redis::Value>(cmd(&name).arg(arguments)).await {
            // What is refused for another reason (a replica, no memory) is told as that.
            Err(Fault::Refused(why)) if why.contains("does not allow") => drop(rules.insert(rule(&name, &why, database))),
            Err(Fault::Away(_)) => unseen = true,
            _ => {}
        }
    }
    // A transaction with a refused command is dropped in any case; one of which nobody says so, with the connection.
    let _dropped = eye.ask::<redis::Value>(&cmd("DISCARD")).await;
    if unseen { Permissions::Unseen } else { judged(user, rules) }
}

fn dry(user: &str, name: &str, arguments: &[String]) -> Cmd {
    let mut command = cmd("ACL");
    command.arg("DRYRUN").arg(user).arg(name).arg(arguments);
    command
}

/// The rule that would allow what was refused in these words.
fn rule(name: &str, said: &str, database: i64) -> String {
    if said.contains("channel") {
        format!("&{}", names::channel(database))
    } else if said.contains("key") {
        "~ws:*".to_owned()
    } else {
        format!("+{name}")
    }
}

fn judged(user: Option<String>, rules: BTreeSet<String>) -> Permissions {
    if rules.is_empty() {
        return Permissions::All { user };
    }
    // Names and channels first: what is wanted of commands follows.
    let (commands, mut first): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| rule.starts_with('+'));
    first.extend(commands);
    Permissions::Missing { user, rules: first }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A script that calls what is not asked about would fail where doctor said that all is well.
    #[test]
    fn every_command_of_a_script_is_asked_about() {
        let known: BTreeSet<String> = commands(0).map(|(name, _)| name).collect();
        let mut called: HashMap<String, usize> = HashMap::new();
        for text in crate::store::redis::scripts::texts() {
            for after in text.split("call('").skip(1) {
                let name = after.split('\'').next().unwrap_or_default().to_lowercase();
                *called.entry(name).or_default() += 1;
            }
        }
        assert!(called.len() > 15, "{called:?}");
        let unknown: Vec<_> = called.keys().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn what_is_refused_names_the_rule() {
        let check = |name, said, expected| assert_eq!(rule(name, said, 3), expected, "{said}");
        check("hset", "User wells has no permissions to run the 'hset' command", "+hset");
        check("hset", "User wells has no permissions to access the 'ws:notes' key", "~ws:*");
        check("hset", "No permissions to access a key", "~ws:*");
        check("publish", "No permissions to access a channel", "&ws:changes:3");
    }
}
