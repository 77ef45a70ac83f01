"""jukicard: a software Juki card (住民基本台帳カード) and the machine that issues it."""
