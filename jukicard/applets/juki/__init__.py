"""The Juki application (住基AP) and its client."""
