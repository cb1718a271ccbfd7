//! The scripts: each runs as a whole on the server, so that what it compares is what it writes over. A store sends a script's digest,
//! and its text only where the server does not know it.

use std::sync::LazyLock;

use redis::{Script, ScriptInvocation};
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

macro_rules! scripts {
    ($($name:ident: $flags:literal, $file:literal;)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!("#!lua", $flags, "\n", include_str!("scripts/prelude.lua"), include_str!($file)))
        });)*
    };
}

// Without flags a script is refused as a whole on a replica and where memory is full; what frees memory is allowed there.
scripts! {
    ACQUIRE: "", "scripts/acquire.lua";
    EXTEND: " flags=allow-oom", "scripts/extend.lua";
    RELEASE: " flags=allow-oom", "scripts/release.lua";
    PUT: "", "scripts/put.lua";
    TOUCH: "", "scripts/touch.lua";
    RECORD: "", "scripts/record.lua";
    EVICT: " flags=allow-oom", "scripts/evict.lua";
    RESTORE: "", "scripts/restore.lua";
    MEND: " flags=allow-oom", "scripts/mend.lua";
    READ: " flags=no-writes", "scripts/read.lua";
}

pub(super) static SLOT: LazyLock<Script> = LazyLock::new(|| Script::new(concat!("#!lua\n", include_str!("scripts/slot.lua"))));

/// A call of a key's script, to be given what else it needs.
pub(super) fn of<'s>(script: &'s Script, key: &Key, speaker: &Speaker) -> ScriptInvocation<'s> {
    let mut call = script.prepare_invoke();
    for name in Names::of(key).all() {
        call.key(name);
    }
    call.arg(key.as_str()).arg(&speaker.channel).arg(&speaker.origin).arg(FORMAT);
    call
}
