"""Applications that are loaded onto a card as WebAssembly: their code is not trusted (docs/loaded-applications.md)."""
