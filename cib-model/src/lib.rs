//! The cluster information base: lossless document, typed model, rules, schema upgrade, patches, ACLs.
