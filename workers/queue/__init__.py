"""What the queue controller is made of; the process is `workers/queue_controller.py`."""
