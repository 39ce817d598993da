"""What was counted: plain numbers, and how fast they grow."""
