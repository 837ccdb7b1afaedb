"""Every URL of the product: the admin, and a front door that leads there."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from groupadmin.metrics import metrics

admin.autodiscover()  # see GroupAdminSiteConfig

handler400 = "groupadmin.body_limits.refused"
handler404 = "groupadmin.not_found.not_found"

urlpatterns = [
    path("metrics", metrics),
    path("api/", include("groupadmin.api.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]
