"""Every metric there is, by what it is of."""
