"""Community points (地域ポイント): an application and its client."""
