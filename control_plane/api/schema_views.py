"""`/api/schema/` and `/api/docs/`: public, since they say nothing that is not in the repository."""

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class SchemaView(SpectacularAPIView):
    """`/api/schema/`: the document."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class DocsView(SpectacularSwaggerSplitView):
    """`/api/docs/`: a page to read it by, with its script in an address of its own."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    url_name = "api-schema"
    # Without the style in the page, which the console's policy refuses.
    template_name = "api/docs.html"
    title = "Sluice API"
