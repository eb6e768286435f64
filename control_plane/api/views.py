"""What every view of `/api/v1/` is: keys see their merchant's alone, writes may be repeated."""

from typing import Any

from django.db.models import Q, QuerySet
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from control_plane.api import idempotency
from control_plane.api.authentication import key_of
from control_plane.merchants.models import Merchant


class ApiView(APIView):
    """`scopes`: by action or method, what a key needs; an action that is not named is for staff."""

    scopes: dict[str, str] = {}
    # Whether a write and its kept answer commit together. Not where the view calls other servers:
    # the transaction would wait for them. Such a view has to be safe to repeat by itself.
    keeps_in_one_transaction = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse, in this order: method, identity, permission, rate; then look at the repeat."""
        method = str(request.method).lower()
        if method in self.http_method_names and not hasattr(self, method):
            raise exceptions.MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)
        key = idempotency.key_of_request(request)
        if key is not None:
            # DRF asks the instance for the method's handler after this.
            handler = getattr(self, method)
            setattr(self, method, idempotency.once(self, handler, request, key))

    @property
    def merchant(self) -> Merchant | None:
        """Whose key asks; None for staff, who see everything."""
        key = key_of(self.request)
        return None if key is None else key.merchant


class ApiViewSet(ApiView, GenericViewSet[Any]):
    """`merchant_paths`: where in a row the merchant stands; any of them that is his will do."""

    merchant_paths: tuple[str, ...] = ()
    cursor_ordering = "-pk"

    def get_queryset(self) -> QuerySet[Any]:
        """A key's are its merchant's; what is not there cannot be told from what is another's."""
        found = super().get_queryset()
        merchant = self.merchant
        if merchant is None:
            return found
        if not self.merchant_paths:
            return found.none()
        is_his = Q()
        for path in self.merchant_paths:
            is_his |= Q(**{path: merchant})
        return found.filter(is_his)

    def shown(self, instance: Any, **how: Any) -> Response:
        """The representation of one object."""
        return Response(self.get_serializer(instance).data, **how)
