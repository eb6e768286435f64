"""Why an address is refused, for people."""

from django.utils.translation import gettext_lazy as _

REFUSALS = {
    "not_https": _("The address must begin with https://."),
    "bad_port": _("The address must be on port 443 or 8443."),
    "private_address": _("The address leads into a private network."),
    "bad_url": _("This is no address that can be called."),
}
