"""What the applications in a municipality's domain have in common: their base class, rules, the client of a key pair."""
