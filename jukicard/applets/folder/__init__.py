"""A municipal application without files of its own, for services that build theirs, and its client."""
