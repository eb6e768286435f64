"""Payments' part of `/api/v1/`."""

from django.urls import path

from control_plane.payments import api

urlpatterns = [
    path("payments", api.Payments.as_view(), name="payments"),
    path("demo/payments", api.DemoPayments.as_view(), name="demo-payments"),
]
