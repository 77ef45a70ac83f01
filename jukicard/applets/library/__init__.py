"""A municipal library card service and its client."""
