"""Connections and channels, without I/O: bytes in, bytes out."""
