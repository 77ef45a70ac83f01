"""Residents: their codes, records, and the dates that follow from them."""
