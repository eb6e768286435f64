"""Requests that leave the house: to addresses that were checked and pinned, bounded, no redirects."""
