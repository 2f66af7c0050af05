//! What people read: paragraphs, and words from elsewhere made harmless.

pub mod messages;
pub mod pattern;
pub mod sanitize;
pub mod stretch;
