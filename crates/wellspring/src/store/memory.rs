//! Everything in memory, gone with the process: for tests and for those who want no file.
