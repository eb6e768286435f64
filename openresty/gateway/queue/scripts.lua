-- The SHA-1 of the scripts that the gateway calls. It may not load them, and a gateway is deployed without
-- lua/; tests/redis/test_queue_rights.py compares.

return {
  take_numbers = "7c6a4e76eb295c7be48ed65bd778597df716903f",
  join_lobby = "0d5cc0c65ba8e4b08854f77f565bdeddc4b52d53",
}
