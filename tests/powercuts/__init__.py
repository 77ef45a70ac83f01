"""Every state-changing command, and whole flows, with the power cut at each physical write.  See docs/power-cuts.md."""
