//! Everything from outside: one binary, real sockets.

mod fetch;
mod support;
