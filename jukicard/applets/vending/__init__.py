"""Certificate vending (証明書自動交付): an application and its client."""
