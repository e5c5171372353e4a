#!/bin/sh
# Installs what the tests of node-daemon need besides the workspace: a browser for the survey's page; for live
# clusters what makes and breaks networks, and a real service with its agents.
set -eu
missing=
for package in chromium iproute2 nftables util-linux postgresql resource-agents; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
chromium --version
