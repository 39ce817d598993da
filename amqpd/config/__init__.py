"""Settings: what can be configured, where it is read from, and how the log looks."""
