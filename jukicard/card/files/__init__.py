"""What holds data on the chip: files, records, data objects, and the commands on them."""
