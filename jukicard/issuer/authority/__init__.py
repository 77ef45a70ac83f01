"""The municipality's authority: its home, certificates and terminals."""
