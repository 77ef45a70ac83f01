"""The shared application (共通カードAP): what of the card every application's terminal may want to know."""
