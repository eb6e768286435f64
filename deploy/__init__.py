"""How Sluice is set up and run; `deploy.local` is the stack behind `make up`."""
