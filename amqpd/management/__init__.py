"""The HTTP API that RabbitMQ's management plugin has: who asks, what for, and the answers in its words."""
