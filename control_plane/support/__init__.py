"""The support view: everything that is known of one purchase, in the order of time, in words."""
