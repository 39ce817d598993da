#!/bin/sh
# The container's command: the broker for `rabbitmq-server`, `amqpd` and options of it, anything else as it is.
# As rabbitmq-server on the PATH, it is that command in scripts of users.
set -eu

# The first three are for tests.
configuration=${ENTRYPOINT_CONFIGURATION_DIR:-/etc/rabbitmq}
defaults=${ENTRYPOINT_DEFAULTS_DIR:-/usr/local/share/amqpd}
user=${ENTRYPOINT_USER:-rabbitmq}
data=${AMQPD_DATA_DIR:-/var/lib/rabbitmq/amqpd}

if [ "${0##*/}" = rabbitmq-server ] && [ "${1:-}" != rabbitmq-server ]; then
	set -- rabbitmq-server "$@"
fi

case ${1:-rabbitmq-server} in
rabbitmq-server | amqpd | -*) ;;
*) exec "$@" ;;
esac

# As root, give the data to the user of the broker, and go on as that.
if [ "$(id -u)" = 0 ] && id -u "$user" >/dev/null 2>&1; then
	mkdir -p "$data"
	find "$data" ! -user "$user" -exec chown -h "$user" '{}' +
	exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$0" "$@"
fi

case ${1:-} in
rabbitmq-server | amqpd) shift ;;
esac
# amqpd check-config and amqpd log are for looking, not for serving.
case ${1:-} in
check-config | log) exec amqpd "$@" ;;
esac

# rabbitmq.conf need not be there; the files in conf.d count all the same.
export AMQPD_CONFIG="${AMQPD_CONFIG:-${RABBITMQ_CONFIG_FILE:-$configuration/rabbitmq.conf}}"
if [ "$AMQPD_CONFIG" = "$configuration/rabbitmq.conf" ] && [ ! -e "$AMQPD_CONFIG" ]; then
	AMQPD_CONFIG=$defaults/rabbitmq.conf
	# Files that amqpd can't read are no reason to start as if they said nothing.
	if [ -e "$configuration/rabbitmq.config" ]; then
		AMQPD_CONFIG=$configuration/rabbitmq.config
	elif [ -e "$configuration/advanced.config" ]; then
		export RABBITMQ_ADVANCED_CONFIG_FILE="$configuration/advanced.config"
	fi
fi
export RABBITMQ_CONFIG_FILES="${RABBITMQ_CONFIG_FILES:-$configuration/conf.d}"
export RABBITMQ_ENABLED_PLUGINS_FILE="${RABBITMQ_ENABLED_PLUGINS_FILE:-$configuration/enabled_plugins}"
export AMQPD_DATA_DIR="$data"

detached=
for word; do
	shift
	if [ "$word" = -detached ]; then
		detached=yes
	else
		set -- "$@" "$word"
	fi
done
if [ -n "$detached" ]; then
	setsid amqpd "$@" </dev/null >/dev/null 2>&1 &
	exit
fi
exec amqpd "$@"
