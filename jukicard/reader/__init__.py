"""Readers: the emulator in process, PC/SC, the vpcd host, traces, card files."""
