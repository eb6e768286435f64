"""Comparing all sides of a campaign: what stands in Redis and Kafka, and what can be mended.

The rules, the tables and what is stored are `control_plane/reconciliation`.
"""
