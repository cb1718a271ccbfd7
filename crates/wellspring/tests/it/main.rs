//! Everything from outside: one binary, real sockets.

mod admission;
mod answers;
mod captured;
mod command_line;
mod fetch;
mod processes;
mod serving;
mod support;
mod traps_engine;
mod traps_http;
