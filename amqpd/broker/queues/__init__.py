"""The queue types."""
