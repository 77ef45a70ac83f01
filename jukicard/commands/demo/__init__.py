"""`juki demo`: the whole story of one card, told with real files and checked as it is told."""
