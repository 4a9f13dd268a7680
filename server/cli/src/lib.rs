//! The client commands of the binary.
