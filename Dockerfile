# A container that stands in for RabbitMQ's image: the same user, places, ports, variables and commands.
#
#   docker build -t amqpd .                           without management, as rabbitmq:3.10
#   docker build -t amqpd --build-arg PLUGINS="rabbitmq_management,rabbitmq_prometheus" .      as rabbitmq:3.10-management

ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS build

SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# Whatever version there is: the compiler is thrown away with this stage.
# hadolint ignore=DL3008
RUN apt-get update \
	&& apt-get install -y --no-install-recommends gcc libc6-dev \
	&& rm -rf /var/lib/apt/lists/*

WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY amqpd ./amqpd
COPY rabbitmq-commands ./rabbitmq-commands
RUN AMQPD_BUILD=compiled python -m pip wheel --no-cache-dir --wheel-dir /wheels . ./rabbitmq-commands

FROM python:${PYTHON_VERSION}-slim-bookworm

# RabbitMQ's image has the prometheus plugin, and its -management the other one, too.
ARG PLUGINS=rabbitmq_prometheus

SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# The wheels are those of the stage before.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
	python -m pip install --no-cache-dir --no-index --find-links /wheels amqpd amqpd-rabbitmq-commands \
	&& amqpd --version | grep -F '(compiled)' \
	&& groupadd --gid 999 --system rabbitmq \
	&& useradd --uid 999 --system --home-dir /var/lib/rabbitmq --gid rabbitmq rabbitmq \
	&& mkdir -p /var/lib/rabbitmq /var/log/rabbitmq /etc/rabbitmq/conf.d \
	&& echo "[${PLUGINS}]." >/etc/rabbitmq/enabled_plugins \
	&& chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /var/log/rabbitmq /etc/rabbitmq \
	&& chmod 1777 /var/lib/rabbitmq /var/log/rabbitmq /etc/rabbitmq /etc/rabbitmq/conf.d

COPY --chown=rabbitmq:rabbitmq deploy/10-defaults.conf /etc/rabbitmq/conf.d/
COPY deploy/rabbitmq.conf /usr/local/share/amqpd/
COPY --chmod=755 deploy/docker-entrypoint.sh /usr/local/bin/
RUN ln -s docker-entrypoint.sh /usr/local/bin/rabbitmq-server

ENV HOME=/var/lib/rabbitmq \
	LANG=C.UTF-8 \
	AMQPD_DATA_DIR=/var/lib/rabbitmq/amqpd \
	AMQPD_DEFAULT_HOST=0.0.0.0,:: \
	RABBITMQ_ENABLED_PLUGINS_FILE=/etc/rabbitmq/enabled_plugins \
	RABBITMQ_LOG_BASE=/var/log/rabbitmq
VOLUME /var/lib/rabbitmq
EXPOSE 5671 5672 15671 15672 15691 15692

# It begins as root, to give the volume to the user rabbitmq, which the broker runs as; with --user it is that one.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s \
	CMD ["rabbitmq-diagnostics", "-q", "ping"]
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["rabbitmq-server"]
