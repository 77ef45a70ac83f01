"""What the municipality adds: its ordinance, approvals and services."""
