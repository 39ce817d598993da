"""The shell around the core: sockets, real time, the log."""
