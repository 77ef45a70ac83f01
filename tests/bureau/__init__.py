"""A bureau's long run: many cards by the command line, with everything killed again and again."""
