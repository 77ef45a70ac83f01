"""The bureau: many cards at a time, by several workers, with books that are right whatever breaks down."""
