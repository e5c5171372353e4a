#!/bin/sh
# Installs, on Debian, what the tests of real agents run: agents, the servers they manage, and a bus.
# The tests themselves install nothing; they fail in CI, and say what they lack elsewhere.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends \
    resource-agents pacemaker-resource-agents \
    nginx-light redis-server postgresql \
    iproute2 kmod e2fsprogs util-linux dbus dbus-user-session systemd perl procps curl
