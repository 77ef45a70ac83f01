"""What applications in a municipality's domain have in common: base class, rules, the client of a key pair."""
