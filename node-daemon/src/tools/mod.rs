//! The classic command lines, by link name: resource agents and people call them (spec 41 §9–10, 51 §12,
//! 61 §9, 81 §15).
//!
//! Each works on the node's daemon through [`node_daemon::ipc`], or, where that makes sense, on the file
//! that `CIB_file` names.

mod access_view;
mod attrd_updater;
mod cibadmin;
mod commands;
mod crm_attribute;
mod crm_mon;
mod crm_node;
mod crm_resource;
mod crm_verify;
mod crmadmin;
mod exit;
mod fencer;
mod fencing_events;
mod node;
mod output;
pub(crate) mod source;
mod stonith_admin;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs a tool, if there is one of this name.
pub fn run(name: &str, arguments: &[OsString]) -> Option<ExitCode> {
    let code = match name {
        "attrd_updater" => attrd_updater::run(arguments),
        "cibadmin" => cibadmin::run(arguments),
        "corosync-cfgtool" | "corosync-cmapctl" | "corosync-cpgtool" | "corosync-quorumtool" => {
            crate::ring::classic::run(name, arguments)
        }
        "crm_attribute" => crm_attribute::run(arguments),
        "crm_master" => crm_attribute::run_as_master(arguments),
        "crm_mon" => crm_mon::run(arguments),
        "crm_node" => crm_node::run(arguments),
        "crm_resource" => crm_resource::run(arguments),
        "crm_standby" => crm_attribute::run_as_standby(arguments),
        "crm_verify" => crm_verify::run(arguments),
        "crmadmin" => crmadmin::run(arguments),
        "stonith_admin" => stonith_admin::run(arguments),
        _ => return None,
    };
    Some(ExitCode::from(code))
}
