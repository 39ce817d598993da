"""Virtual hosts, exchanges, queues and consumers; knows no frames and no connections."""
