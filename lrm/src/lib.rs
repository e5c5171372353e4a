//! Runs resource agents of every standard, one queue per resource, with recurring monitors.
