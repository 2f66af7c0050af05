//! Rows that have moved up or down together.
