#!/bin/sh
# Installs, on Debian, the arbiter daemon that the test `qnetd` runs. The test itself installs nothing;
# without it it fails in CI, and says what it lacks elsewhere.
set -eu
if ! command -v corosync-qnetd certutil openssl >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        corosync-qnetd libnss3-tools openssl >/dev/null
fi
corosync-qnetd -v | head -n 1
