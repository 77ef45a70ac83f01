"""What the municipal services have in common: rules, and the client of a key pair."""
