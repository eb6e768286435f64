"""What lists of endpoints and deliveries are narrowed by."""

from django_filters import rest_framework as filters

from control_plane.webhooks.models import Delivery, DeliveryState, Endpoint, WebhookType


class EndpointFilter(filters.FilterSet):
    """By whether it is on, and whose it is."""

    active = filters.BooleanFilter()
    merchant = filters.CharFilter("merchant__slug")

    class Meta:
        model = Endpoint
        fields: list[str] = []


class DeliveryFilter(filters.FilterSet):
    """By endpoint, state, kind and what it is about."""

    endpoint = filters.NumberFilter("endpoint_id", min_value=1, max_value=2**63 - 1)
    state = filters.MultipleChoiceFilter(choices=DeliveryState.choices)
    type = filters.MultipleChoiceFilter(choices=WebhookType.choices)
    event_id = filters.CharFilter()
    order_number = filters.CharFilter()
    reservation_id = filters.CharFilter("subject")

    class Meta:
        model = Delivery
        fields: list[str] = []
