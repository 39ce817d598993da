"""The crash test: a broker that is killed over and over, and a ledger that knows what must survive."""
