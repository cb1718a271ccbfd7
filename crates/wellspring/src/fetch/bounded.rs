//! The only reader of bodies.
