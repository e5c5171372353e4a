#!/bin/sh
# Installs the fence agents of Debian that the test matrix in real_agents/debian.rs runs, and strace
# for the watchdog's tests.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends fence-agents strace
