"""Security domains (GlobalPlatform 2.3.1) and their client."""
