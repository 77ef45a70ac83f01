"""The issuer's keys: the port, and the stores behind it."""
