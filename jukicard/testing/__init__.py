"""A toolkit for people who test terminals: cards in every state, awkward readers, a real pcscd, vectors.

* `jukicard.testing.cards`: specimen cards, as connections in this process; no pytest needed.
* `jukicard.testing.readers`: readers that pull the card, are slow, or know short APDUs or T=0 only.
* `jukicard.testing.inserted`, `jukicard.testing.pcscd`: a card in a private pcscd's virtual reader.
* `jukicard.testing.plugin`: all that as pytest fixtures; pytest loads it wherever jukicard is installed.
* `jukicard.testing.vectors`: whole secure channel sessions as JSON, for other implementations.
"""
