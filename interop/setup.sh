#!/bin/sh
# Install the clients that pip does not: amqp-tools, Go with streadway/amqp (Debian), amqplib (npm).
# Safe to run again: what is there already is left alone.
set -eu
cd "$(dirname "$0")"

missing=
for package in amqp-tools golang-go golang-github-streadway-amqp-dev; do
  case $(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null) in
    *' installed') ;;
    *) missing="$missing $package" ;;
  esac
done
if [ -n "$missing" ]; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update
  # shellcheck disable=SC2086  # one word per package
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

# npm writes this file last, so it says whether node_modules belongs to the lock file.
if [ ! node/node_modules/.package-lock.json -nt node/package-lock.json ]; then
  command -v npm >/dev/null || { echo 'npm is missing: install Node 18 or newer' >&2; exit 1; }
  npm ci --prefix node --no-audit --no-fund
fi
