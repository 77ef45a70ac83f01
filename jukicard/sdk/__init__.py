"""The kit for applications that are loaded onto a card: a header and a small library in C, and what builds them."""
