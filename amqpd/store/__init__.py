"""What has to last."""
