//! Settings, tried on the binary.
