"""The card operating system: bytes in, bytes out, everything else through ports."""
