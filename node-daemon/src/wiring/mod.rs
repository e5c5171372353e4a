//! How envelopes travel.
