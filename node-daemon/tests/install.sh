#!/bin/sh
# Installs what the tests of node-daemon need besides the workspace: a browser for the survey's page.
set -eu
if ! command -v chromium >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi
chromium --version
