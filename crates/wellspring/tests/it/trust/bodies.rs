//! Bodies that are weapons.
