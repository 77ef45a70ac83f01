"""What guards the data: access conditions, passwords, keys and their counters, and the commands on them."""
