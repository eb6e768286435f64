"""Django settings. What differs between installations comes from `env.py` and nowhere else."""

import os
from pathlib import Path
from typing import Any

from control_plane.config import env as environment
from control_plane.config import json_log

ENV = environment.read_or_exit(os.environ)
BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = ENV.allowed_hosts
ROOT_URLCONF = "control_plane.config.urls"
ASGI_APPLICATION = "control_plane.config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "control_plane.config.admin_app.SluiceAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Before staticfiles: `runserver` then serves static files the way production does.
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_celery_beat",
    "control_plane.config",
    "control_plane.merchants",
    "control_plane.campaigns",
    "control_plane.pages",
    "control_plane.inventory",
    "control_plane.orders",
    "control_plane.payments",
    "control_plane.dead_letters",
    "control_plane.reconciliation",
    "control_plane.webhooks",
    "control_plane.queues",
    "control_plane.snapshot",
    "control_plane.switches",
    "control_plane.risk",
    "control_plane.warehouse",
    "control_plane.privacy",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "control_plane.config.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Databases ------------------------------------------------------------------------------------


def _database(database: environment.Database) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.name,
        "USER": database.user,
        "PASSWORD": database.password,
        "HOST": database.host,
        "PORT": database.port,
        # A process that is frozen in a transaction holds its locks; its server ends it after this.
        "OPTIONS": {
            "connect_timeout": 5,
            "options": "-c idle_in_transaction_session_timeout=10s",
            **database.options,
        },
        # Celery's tasks reuse a connection; asgi.py sets 0, because under ASGI every request runs
        # in a thread of its own and a kept connection would stay behind with that thread.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": _database(ENV.sale), "inventory": _database(ENV.inventory)}
DATABASE_ROUTERS = ["control_plane.config.routers.WarehouseRouter"]

# Language and time ----------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["control_plane.config.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = ENV.time_zone

# Static files: served by WhiteNoise straight from the packages, so that no collectstatic is needed.

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Passwords and browser security -----------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# The console in front writes this header anew and passes Host on as the browser sent it. So the
# CSRF check compares Origin with the console's own address, and needs neither USE_X_FORWARDED_HOST
# nor CSRF_TRUSTED_ORIGINS.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.console_scheme == "https"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# API --------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.BasicAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["control_plane.config.permissions.StaffWithModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "control_plane.config.problems.exception_handler",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 50,
}

LOGGING = json_log.config(ENV.log_level)
