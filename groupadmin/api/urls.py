"""/api/v1/…"""

from __future__ import annotations

from django.urls import path, re_path

from groupadmin.api.resources import RESOURCES
from groupadmin.api.views import detail_view, document_view, list_view, nowhere_view

app_name = "api"
urlpatterns = [
    path("v1/openapi.json", document_view, name="document"),
    *(
        path(f"v1/{resource.name}/", list_view, {"resource": resource}, name=resource.name)
        for resource in RESOURCES
    ),
    *(
        path(
            f"v1/{resource.name}/<int:pk>/",
            detail_view,
            {"resource": resource},
            name=resource.singular.lower(),
        )
        for resource in RESOURCES
    ),
    re_path("", nowhere_view, name="nowhere"),
]
