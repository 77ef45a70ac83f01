"""The counter: what is done with a card and its holder."""
