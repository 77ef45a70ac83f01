"""`juki batch …`: many cards at a time."""
