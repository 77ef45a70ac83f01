"""Content management (GP 2.3.1, chapters 9 and 11): what is loaded, installed, moved, listed, locked and deleted."""
