"""One list over every trail there is: who did what, when and why."""
