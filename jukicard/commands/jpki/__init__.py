"""`juki jpki …`: certificates of the public personal authentication (公的個人認証)."""
