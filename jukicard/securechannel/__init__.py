"""GlobalPlatform secure channels SCP03 and SCP11, both roles."""
