"""The TEST certification authorities of the public personal authentication (公的個人認証, JPKI)."""
