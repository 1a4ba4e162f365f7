from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.apps import answers


def small(_: HttpRequest) -> HttpResponse:
    response = HttpResponse(answers.SMALL, content_type="application/json", headers=answers.FIELDS)
    name, _, rest = answers.COOKIE.partition("=")
    response.set_cookie(name, rest.partition(";")[0], httponly=True)
    return response


urlpatterns = [path("small", small)]
settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no use to anybody",
)
app = get_wsgi_application()
