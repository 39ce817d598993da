"""The log: what happened, one line each, on the console and in files."""
