//! Totally ordered group messaging with extended virtual synchrony over unreliable datagrams.
