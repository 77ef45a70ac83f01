"""ISO/IEC 7816 codecs and the card connection port: pure values, no I/O."""
