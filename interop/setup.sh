#!/bin/sh
# Install the clients that pip does not: amqp-tools, Go with streadway/amqp, promtool, rabbitmqadmin (Debian), amqplib (npm).
# Safe to run again: what is there already is left alone.
set -eu
cd "$(dirname "$0")"

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo

missing=
for package in amqp-tools golang-go golang-github-streadway-amqp-dev prometheus; do
  case $(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null) in
    *' installed') ;;
    *) missing="$missing $package" ;;
  esac
done
if [ -n "$missing" ]; then
  $as_root apt-get update
  # shellcheck disable=SC2086  # one word per package
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi

# npm writes this file last, so it says whether node_modules belongs to the lock file.
if [ ! node/node_modules/.package-lock.json -nt node/package-lock.json ]; then
  command -v npm >/dev/null || { echo 'npm is missing: install Node 18 or newer' >&2; exit 1; }
  npm ci --prefix node --no-audit --no-fund
fi

# RabbitMQ's rabbitmqadmin is a Python script in its management plugin: the only thing taken out of Debian's package,
# which is not installed.
if [ ! -s rabbitmq/rabbitmqadmin ]; then
  mkdir -p rabbitmq
  package=$(mktemp -d)
  trap 'rm -rf "$package"' EXIT
  chmod 755 "$package"
  (
    cd "$package"
    apt-get download rabbitmq-server || { $as_root apt-get update && apt-get download rabbitmq-server; }
  )
  dpkg-deb --fsys-tarfile "$package"/*.deb \
  | tar --extract --to-stdout --wildcards '*/www/cli/rabbitmqadmin' >"$package"/rabbitmqadmin
  mv "$package"/rabbitmqadmin rabbitmq/rabbitmqadmin
fi
