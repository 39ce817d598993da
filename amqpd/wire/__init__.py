"""Bytes to frames, methods, properties and tables, and back; no I/O, no state of a connection."""
