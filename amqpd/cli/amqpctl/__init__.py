"""The command `amqpctl`: rabbitmqctl's and rabbitmq-diagnostics' everyday commands, over the management API.

Only what a command needs is imported, all of it from the standard library: an answer takes a tenth of a second.
"""

from amqpd.cli.amqpctl.running import main

__all__ = ["main"]
