//! The scripts: each runs as a whole on the server, so that what it compares is what it writes over. A store sends a script's digest,
//! and its text only where the server does not know it.

use std::sync::LazyLock;

use redis::{Cmd, ToRedisArgs, cmd};
use wellspring_core::key::Key;

use super::names::Names;

/// What every script of a key is told first.
#[derive(Debug)]
pub(super) struct Speaker {
    /// Where hints go.
    pub(super) channel: String,
    /// Who says so: a store leaves out the hints that it sent itself.
    pub(super) origin: String,
}

/// The format that is written, and the newest that is read.
pub(super) const FORMAT: i64 = 1;

/// A script's text and its digest.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    digest: LazyLock<String>,
    /// What it does is undone by nobody: where it goes through, the server takes writes.
    pub(super) writes: bool,
}

macro_rules! scripts {
    ($($name:ident: $flags:literal, $writes:literal, $($file:literal)+;)*) => {
        $(pub(super) static $name: Script = Script {
            text: concat!("#!lua", $flags, "\n", $(include_str!($file)),+),
            digest: LazyLock::new(|| redis::Script::new($name.text).get_hash().to_owned()),
            writes: $writes,
        };)*
    };
}

/// The texts of all scripts.
#[cfg(test)]
pub(super) fn texts() -> [&'static str; 14] {
    [&ACQUIRE, &EXTEND, &RELEASE, &PUT, &TOUCH, &RECORD, &EVICT, &RESTORE, &MEND, &LIST, &READ, &SLOT, &STAY, &PRESENT]
        .map(|script| script.text)
}

// Without flags a script is refused as a whole on a replica and where memory is full; what frees memory is allowed there.
scripts! {
    ACQUIRE: "", true, "scripts/prelude.lua" "scripts/acquire.lua";
    EXTEND: " flags=allow-oom", false, "scripts/prelude.lua" "scripts/extend.lua";
    RELEASE: " flags=allow-oom", false, "scripts/prelude.lua" "scripts/release.lua";
    PUT: "", true, "scripts/prelude.lua" "scripts/put.lua";
    TOUCH: "", true, "scripts/prelude.lua" "scripts/touch.lua";
    RECORD: "", true, "scripts/prelude.lua" "scripts/record.lua";
    EVICT: " flags=allow-oom", false, "scripts/prelude.lua" "scripts/evict.lua";
    RESTORE: "", true, "scripts/prelude.lua" "scripts/restore.lua";
    MEND: " flags=allow-oom", false, "scripts/prelude.lua" "scripts/mend.lua";
    LIST: "", false, "scripts/prelude.lua" "scripts/list.lua";
    READ: " flags=no-writes", false, "scripts/prelude.lua" "scripts/read.lua";
    SLOT: "", true, "scripts/slot.lua";
    STAY: " flags=allow-oom", false, "scripts/stay.lua";
    PRESENT: "", false, "scripts/present.lua";
}

/// A call of a script, to be given what it needs.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn new(script: &'static Script, keys: impl IntoIterator<Item = String>) -> Self {
        Self { script, keys: keys.into_iter().collect(), arguments: Vec::new() }
    }

    /// Of a key's script.
    pub(super) fn of(script: &'static Script, key: &Key, speaker: &Speaker) -> Self {
        let mut call = Self::new(script, Names::of(key).all().map(str::to_owned));
        call.arg(key.as_str()).arg(&speaker.channel).arg(&speaker.origin).arg(FORMAT);
        call
    }

    pub(super) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    pub(super) fn fields(&mut self, fields: &[(&'static str, String)]) -> &mut Self {
        for (name, value) in fields {
            self.arg(*name).arg(value);
        }
        self
    }

    /// By the script's digest.
    pub(super) fn short(&self) -> Cmd {
        self.command("EVALSHA", &self.script.digest)
    }

    /// By its text, for a server that does not know it yet.
    pub(super) fn long(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys[..]).arg(&self.arguments[..]);
        command
    }
}
