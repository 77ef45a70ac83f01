"""Operators: their cards, what they may do, and who is logged in."""
