"""The books: what may follow what in a card's life, and the chain of entries."""
