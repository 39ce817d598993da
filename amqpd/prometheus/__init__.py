"""The broker's numbers for Prometheus, by the names of RabbitMQ's plugin: read when somebody asks, and only then."""
