"""Everyday programs with other people's AMQP clients, run against amqpd or any broker at AMQP_URL."""
