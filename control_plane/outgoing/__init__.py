"""Requests that leave the house: to addresses that were checked and pinned, and bounded."""
