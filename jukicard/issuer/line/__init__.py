"""The issuing line: from an order to a card that is personalised and matched."""
