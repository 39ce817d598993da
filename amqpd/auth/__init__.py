"""Who you are and what you may do: users, password hashes, permissions, SASL mechanisms."""
