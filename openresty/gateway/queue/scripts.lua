-- The SHA-1 of the scripts that the gateway calls. It may not load them, and a gateway is deployed without
-- lua/; tests/redis/test_queue_rights.py compares.

return {
  take_numbers = "15b14b9a7203b223a592b58422c7674534810bfb",
  join_lobby = "0d5cc0c65ba8e4b08854f77f565bdeddc4b52d53",
}
