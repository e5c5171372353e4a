#!/bin/sh
# Installs the fence agents of Debian that the test matrix in debian_agents.rs runs.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends fence-agents
