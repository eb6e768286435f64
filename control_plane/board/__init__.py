"""The live board: what a sale looks like this second, for staff and for a wall."""
