"""The applications of the card: each folder holds both ends of one protocol."""
