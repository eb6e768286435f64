"""Which database a model lives in."""

from typing import Any

from django.db.models import Model

WAREHOUSE_APP = "warehouse"
WAREHOUSE_DATABASE = "inventory"
DEFAULT_DATABASE = "default"


class WarehouseRouter:
    """App `warehouse` lives in database `inventory`, everything else in `sale` (alias default)."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        """The model's home."""
        return _home(model._meta.app_label)

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        """The model's home."""
        return _home(model._meta.app_label)

    def allow_relation(self, left: Model, right: Model, **hints: Any) -> bool:
        """No foreign key leaves a database."""
        return _home(left._meta.app_label) == _home(right._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Tables are made at home only."""
        return db == _home(app_label)


def _home(app_label: str) -> str:
    return WAREHOUSE_DATABASE if app_label == WAREHOUSE_APP else DEFAULT_DATABASE
