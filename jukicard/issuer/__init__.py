"""The issuing machine: records, authority, keys, plans, ledger."""
