"""The JPKI application (公的個人認証): signature and authentication keys that citizens' software already speaks to."""
