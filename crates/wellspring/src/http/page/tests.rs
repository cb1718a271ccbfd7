//! What people read, and what must never be read by them.
