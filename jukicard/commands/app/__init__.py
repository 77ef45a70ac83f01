"""`juki app …`: municipal applications, from an empty folder to a card."""
